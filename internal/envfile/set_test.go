package envfile

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/dotenv"
)

func TestSet_ChangesOneValueAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"empty file", "", "ACTIVE_POOL=green\n"},
		{"missing", "A=1\n", "A=1\nACTIVE_POOL=green\n"},
		{"no newline at the end", "A=1", "A=1\nACTIVE_POOL=green\n"},
		{"missing, windows line ends", "A=1\r\n", "A=1\r\nACTIVE_POOL=green\r\n"},
		{"byte order mark", "\ufeffACTIVE_POOL=blue\n", "\ufeffACTIVE_POOL=green\n"},
		{"plain", "A=1\nACTIVE_POOL=blue\nB=2\n", "A=1\nACTIVE_POOL=green\nB=2\n"},
		{"no newline behind", "ACTIVE_POOL=blue", "ACTIVE_POOL=green"},
		{"empty", "ACTIVE_POOL=\r\nB=2\n", "ACTIVE_POOL=green\r\nB=2\n"},
		{"empty at the end", "ACTIVE_POOL=", "ACTIVE_POOL=green"},
		{"export and spaces", "export  ACTIVE_POOL = blue\n", "export  ACTIVE_POOL = green\n"},
		{"yaml", "ACTIVE_POOL: blue\n", "ACTIVE_POOL: green\n"},
		{"quoted", `ACTIVE_POOL="blue"` + "\n", "ACTIVE_POOL=green\n"},
		{"comment behind", "ACTIVE_POOL=blue # now\n", "ACTIVE_POOL=green # now\n"},
		{"comment behind quotes", "ACTIVE_POOL='blue' # now\n", "ACTIVE_POOL=green # now\n"},
		{"comment close behind quotes", "ACTIVE_POOL='blue'# now\n", "ACTIVE_POOL='green'# now\n"},
		{"statement behind quotes", `ACTIVE_POOL="blue" B=2` + "\n", `ACTIVE_POOL='green' B=2` + "\n"},
		{"a sign that begins no comment", "ACTIVE_POOL=blue#1 #2\n", "ACTIVE_POOL=green #2\n"},
		{"comment before", "#ACTIVE_POOL=blue\n", "#ACTIVE_POOL=blue\nACTIVE_POOL=green\n"},
		{"the last one counts", "ACTIVE_POOL=blue\nACTIVE_POOL=blue\n", "ACTIVE_POOL=blue\nACTIVE_POOL=green\n"},
		{"windows line ends", "ACTIVE_POOL=blue\r\nB=2\r\n", "ACTIVE_POOL=green\r\nB=2\r\n"},
		{"in step already", "ACTIVE_POOL='green'\n", "ACTIVE_POOL='green'\n"},
		{"in step by expansion only", "ACTIVE_POOL=$X\n", "ACTIVE_POOL=green\n"},
		{"another name with the same start", "ACTIVE_POOL_X=1\n", "ACTIVE_POOL_X=1\nACTIVE_POOL=green\n"},
		{"from the environment", "ACTIVE_POOL\nA=1\n", "ACTIVE_POOL\nA=1\nACTIVE_POOL=green\n"},
		{"within double quotes", "K=\"a\nACTIVE_POOL=blue\n\"\n", "K=\"a\nACTIVE_POOL=blue\n\"\nACTIVE_POOL=green\n"},
		{"within single quotes", "K='a\nACTIVE_POOL=blue'\n", "K='a\nACTIVE_POOL=blue'\nACTIVE_POOL=green\n"},
		{"behind an escaped quote", "K=\"a\\\"\nACTIVE_POOL=blue\n\"\nACTIVE_POOL=blue\n", "K=\"a\\\"\nACTIVE_POOL=blue\n\"\nACTIVE_POOL=green\n"},
		{"a value of several lines itself", "ACTIVE_POOL=\"a\nb\"\nB=2\n", "ACTIVE_POOL=green\nB=2\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Set(tt.text, Variable{Name: "ACTIVE_POOL", Value: "green"})
			if err != nil || got != tt.want {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func TestSet_RefusesWhatComposeCannotRead(t *testing.T) {
	for _, text := range []string{"A=\"s3cret\n", "a b=1\n", "A=1\n!x=s3cret\n"} {
		got, err := Set(text, Variable{Name: "ACTIVE_POOL", Value: "green"})
		if err == nil || got != "" {
			t.Errorf("%q became %q", text, got)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the error shows a value: %v", err)
		}
	}
}

func TestSet_EveryValueReadsBack(t *testing.T) {
	for _, value := range []string{"", "a b", "it's", `"`, `\`, `a\`, `\$x`, "$$x", "${X}", "a\nb\r\n", "#x", "a #b", "größe", `\n`, `\\"`, "'\"$\\"} {
		for _, text := range []string{"", "V=1\n", "V='1' W=2\n", "V=1 # c\n", "V=\"1\"#c"} {
			got, err := Set(text, Variable{Name: "V", Value: value})
			if err != nil {
				t.Fatal(err)
			}
			vars, err := dotenv.Parse(strings.NewReader(got))
			if err != nil || vars["V"] != value {
				t.Errorf("%q in %q reads %q, %v: %q", value, text, vars["V"], err, got)
			}
		}
	}
}

// FuzzSet: for every file that Compose can read, the file afterwards says the same but
// for the change, and no byte outside the changed value differs.
func FuzzSet(f *testing.F) {
	for _, text := range []string{
		"", "A=1\n", "ACTIVE_POOL=blue\n", "export ACTIVE_POOL = 'blue' # c\r\n", "K=\"a\nACTIVE_POOL=blue\\\"\n\"\nB: 2\n", "ACTIVE_POOL\n",
		"ACTIVE_POOL=\r\n", "A='x'ACTIVE_POOL=\"y\"B=z", "\ufeffACTIVE_POOL=\"b$X\"", "ACTIVE_POOL= # c\n", "export\nA=1", "A=\u00a0\u0085\n", "A=1\x00", "ACTIVE_POOL:x\\\n",
		"ACTIVE_POOL=blue \u2028# c\n", "ACTIVE_POOL=''\u2003#c", "A.B-[1]=2\nACTIVE_POOL=a=b#c",
	} {
		f.Add(text, "green")
		f.Add(text, "it's \\ $x\n")
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		// A fixed answer for every name: no value depends on another one of the file.
		lookup := func(string) (string, bool) { return "L", true }
		before, err := dotenv.ParseWithLookup(strings.NewReader(text), lookup)
		if err != nil {
			return
		}
		if _, err := dotenv.Parse(strings.NewReader(text + "\n")); err != nil {
			return // nothing can be written behind it
		}
		v := Variable{Name: "ACTIVE_POOL", Value: value}
		after, err := Set(text, v)
		if err != nil {
			t.Fatalf("%q cannot be changed: %v", text, err)
		}
		got, err := dotenv.ParseWithLookup(strings.NewReader(after), lookup)
		if err != nil {
			t.Fatalf("%q became %q, which is not readable: %v", text, after, err)
		}
		if inherits(text, v.Name) {
			value = got[v.Name] // the environment has the last word
		}
		want := maps.Clone(before)
		want[v.Name] = value
		// A name alone at the end of a file is no variable, and no name behind a line end.
		delete(want, "")
		delete(got, "")
		for _, m := range []map[string]string{want, got} {
			for name := range m {
				if name != v.Name && strings.HasSuffix(strings.TrimSpace(text), name) && inherits(text+"\n", name) {
					delete(m, name)
				}
			}
		}
		if !maps.Equal(got, want) {
			t.Errorf("%q became %q, which says %q, want %q", text, after, got, want)
		}
		outside(t, text, after, v.Name)
	})
}

// inherits reports whether a file takes a name from the environment.
func inherits(text, name string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if i := strings.LastIndexAny(line, "'\""); i >= 0 {
			line = strings.TrimSpace(line[i+1:])
		}
		if strings.TrimSpace(strings.TrimPrefix(line, "export")) == name {
			return true
		}
	}
	return false
}

// outside fails when a byte outside the changed value differs.
func outside(t *testing.T, before, after, name string) {
	t.Helper()
	assignments, err := scan(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range slices.Backward(assignments) {
		if a.name == name {
			if !strings.HasPrefix(after, before[:a.begin]) || !strings.HasSuffix(after, before[a.end:]) {
				t.Errorf("%q became %q", before, after)
			}
			return
		}
	}
	if !strings.HasPrefix(after, before) || !strings.HasPrefix(strings.TrimLeft(after[len(before):], "\r\n"), name+"=") {
		t.Errorf("%q became %q", before, after)
	}
}
