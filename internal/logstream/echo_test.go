package logstream

import "testing"

// TestEcho_IsInterruptedWhileItSkips: the lines at the cursor's time are told apart by their
// number alone, and a connection may break, or the engine lose its place, among them.
func TestEcho_IsInterruptedWhileItSkips(t *testing.T) {
	t.Parallel()
	const at = 1000
	tests := map[string]func(e *echo, old func(time int64, text string)){
		"the connection breaks": func(e *echo, _ func(int64, string)) { e.reconnect() },
		"older lines come":      func(_ *echo, old func(int64, string)) { old(at-1, "x"); old(at-1, "y") },
		"from the first on":     func(*echo, func(int64, string)) {},
	}
	for name, interrupt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEcho(Cursor{Time: at, Lines: 3})
			e.reconnect()
			old := func(time int64, text string) {
				t.Helper()
				if e.isNew(time, []byte(text)) {
					t.Errorf("%s is taken for new", text)
				}
			}
			old(at, "1")
			old(at, "2")
			interrupt(e, old)
			old(at, "1")
			old(at, "2")
			old(at, "3")
			if !e.isNew(at, []byte("4")) || !e.isNew(at+1, []byte("5")) || e.missed() {
				t.Error("what is new is not, or is said to be behind a gap")
			}
		})
	}
}
