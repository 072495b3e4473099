package compose

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v4"
)

// printed loads a compose file and returns it as `bgctl config` prints it, twice.
func printed(t *testing.T, content string, env ...string) map[string]string {
	t.Helper()
	p, err := Load(t.Context(), LoadOptions{
		WorkingDir: t.TempDir(), ProjectName: "shop", Environ: env,
		Embedded: &Embedded{Name: "compose.yaml", Content: []byte(content)},
	})
	if err != nil {
		t.Fatal(err)
	}
	before := fmt.Sprint(p.Services)
	yamlText, err := p.RedactedYAML()
	if err != nil {
		t.Fatal(err)
	}
	jsonText, err := p.RedactedJSON()
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(p.Services) != before {
		t.Error("the project itself was changed")
	}
	var tree map[string]any
	if yaml.Unmarshal(yamlText, &tree) != nil || json.Unmarshal(jsonText, &tree) != nil || tree["services"] == nil {
		t.Errorf("not a document:\n%s\n%s", yamlText, jsonText)
	}
	return map[string]string{"yaml": string(yamlText), "json": string(jsonText)}
}

// TestProject_RedactedHidesEveryKindOfSecret has S3cr3tZ in every place a secret can be in.
func TestProject_RedactedHidesEveryKindOfSecret(t *testing.T) {
	service := func(field string) string {
		return "services:\n  web:\n    image: shop:1\n    " + strings.ReplaceAll(field, "\n", "\n    ") + "\n"
	}
	cases := map[string]string{}
	for _, name := range []string{
		"DB_PASSWORD", "SIGNING_KEY", "DB_PWD", "PGPASS", "PGPASSWORD", "ENCRYPTION_KEY", "SSH_KEY", "SALT", "SECRET_KEY_BASE", "SENTRY_DSN",
		"MYSQL_ROOT_PASSWORD", "API_KEY", "apiKey", "dbPass", "CREDENTIALS", "REGISTRY_AUTH", "SLACK_WEBHOOK_URL", "GH_TOKEN", "N8N_RUNNERS_AUTH_TOKEN", "TOKENS",
		"JWT_SECRET", "BASIC_AUTH_CREDS", "SMTP_PASSPHRASE", "TLS_PRIVATE_KEY_PEM", "PASS", "KEY", "SECRET_FILE", "spring.datasource.password",
	} {
		cases["environment "+name] = service("environment: {" + name + ": S3cr3tZ}")
	}
	for i, url := range []string{
		"postgres://shop:S3cr3tZ@db/shop", "amqp://u:S3cr3tZ@mq:5672/", "redis://:S3cr3tZ@cache:6379/0", "mysql2://u:S3cr3t/Z@db", "postgres://u:a@S3cr3tZ@db/x",
		"mongodb://a:S3cr3tZ@m1:27017,m2:27017/x", "http://proxy:S3cr3tZ@10.0.0.1:3128", "shop:S3cr3tZ@tcp(db:3306)/shop?parseTime=true",
		"host=db user=shop password=S3cr3tZ dbname=shop", "Server=db;User Id=sa;Password=S3cr3tZ;", "jdbc:postgresql://db/x?user=a&password=S3cr3tZ",
		"https://S3cr3tZ0123456789abcdef@sentry.example/1", "https://x.example/hook?token=S3cr3tZ", "https://x.example/y?se=1&sig=S3cr3tZ", "https://hooks.slack.com/services/T0/B0/S3cr3tZ",
		"postgres://a:S3cr3tZ@one/x,postgres://b:S3cr3tZ2@two/y", "https://discord.com/api/webhooks/1/S3cr3tZ",
	} {
		cases[fmt.Sprint("URL ", i)] = service("environment: {SOME_URL: '" + url + "'}")
	}
	for i, field := range []string{
		"command: [redis-server, --requirepass, S3cr3tZ]", "command: redis-server --requirepass S3cr3tZ", "command: [redis-server, --requirepass=S3cr3tZ]",
		"command: ['sh', '-c', 'redis-server --requirepass \"S3cr3tZ\"']", "entrypoint: [mysql, -uroot, -pS3cr3tZ]", "command: ['run', '--db-password', 'S3cr3tZ']",
		"command: [serve, -pS3cr3tZ]", "command: ['redis-cli', '-a', 'S3cr3tZ', 'ping']", "command: ['sh', '-c', 'export DB_PASSWORD=S3cr3tZ && run']",
		"command: [curl, -H, 'Authorization: Bearer S3cr3tZ0', 'http://x']", "command: [curl, -u, 'admin:S3cr3tZ', 'http://x']",
		"healthcheck: {test: ['CMD-SHELL', 'mysqladmin ping -uroot -pS3cr3tZ']}", "healthcheck: {test: ['CMD', 'mysqladmin', 'ping', '-pS3cr3tZ']}",
		"healthcheck: {test: ['CMD-SHELL', 'redis-cli -a S3cr3tZ ping | grep PONG']}", "healthcheck: {test: 'wget http://a:S3cr3tZ@localhost/'}",
		"labels: {traefik.http.middlewares.a.basicauth.users: 'admin:S3cr3tZ'}", "labels: ['app.token=S3cr3tZ']",
		"labels: {note: 'admin:$$2y$$05$$S3cr3tZ6789012345678901234567890123456789012345678901'}",
		"build: {context: ., args: {NPM_TOKEN: S3cr3tZ}}", "build: {context: ., args: ['NPM_TOKEN=S3cr3tZ']}",
		"logging: {driver: splunk, options: {splunk-token: S3cr3tZ}}", "x-own: {db: {password: S3cr3tZ}}", "x-own: {auth: {user: a, value: S3cr3tZ}}",
		"x-own: ['DB_PASSWORD=S3cr3tZ']", "environment: {A: '{\"password\":\"S3cr3tZ\"}'}", "environment: {A: \"psql -c \\\"ALTER USER x IDENTIFIED BY 'S3cr3tZ'\\\"\"}",
	} {
		cases[fmt.Sprint("field ", i, " ", field)] = service(field)
	}
	for i, token := range []string{
		"xoxb-12345678-S3cr3tZ", "ghp_S3cr3tZ0123456789abcdef", "AKIAS3CR3TZ012345678", "eyJhbGciOiJI.eyJzdWIiOiI.S3cr3tZ", "glpat-S3cr3tZ0123456789ab",
		"sk_live_S3cr3tZ0123456789ab", "github_pat_S3cr3tZ0123456789abcdef", "npm_S3cr3tZ01234567890123456789012",
		"-----BEGIN RSA PRIVATE KEY-----\\nS3cr3tZ\\n-----END RSA PRIVATE KEY-----", "-----BEGIN OPENSSH PRIVATE KEY-----\\nS3cr3tZ",
	} {
		cases[fmt.Sprint("token ", i)] = service("environment: {NOTE: \"see " + token + " there\"}")
	}
	cases["of two words, quoted"] = service("environment: {DB_PASSWORD: 'one S3cr3tZ'}\ncommand: ['sh', '-c', 'PASS=one S3cr3tZ run']")
	base := service("environment: {DB_PASSWORD: S3cr3tZ}")
	cases["the same value elsewhere"] = base + "    command: [run, S3cr3tZ, xS3cr3tZy]\n    labels: {note: 'S3cr3tZ'}\n    hostname: S3cr3tZ\n"
	cases["top-level block"] = service("restart: always") + "x-env: {N8N_AUTH_TOKEN: S3cr3tZ, list: [{API_KEY: S3cr3tZ}]}\n"
	cases["part of a hidden URL"] = service("environment: {DATABASE_URL: 'postgres://u:S3cr3tZ@db', NOTE: 'it is S3cr3tZ'}")
	cases["config"] = service("configs: [c]") + "configs: {c: {content: \"port 1\\nrequirepass S3cr3tZ\\n\"}}\n"
	cases["config yaml"] = service("configs: [c]") + "configs: {c: {content: \"db:\\n  password: S3cr3tZ\\n\"}}\n"
	cases["secret"] = service("secrets: [c]\ncommand: [run, S3cr3tZ]") + "secrets: {c: {environment: HIDDEN_THING}}\n"
	cases["interpolated"] = service("command: [run, '${DB_PASSWORD}']")
	cases["interpolated URL"] = service("command: [run, '${DATABASE_URL}', S3cr3tZ]")
	for name, content := range cases {
		t.Run(name, func(t *testing.T) {
			env := []string{"HIDDEN_THING=S3cr3tZ"}
			if strings.HasPrefix(name, "interpolated") {
				env = []string{"DB_PASSWORD=S3cr3tZ", "DATABASE_URL=postgres://u:S3cr3tZ@db"}
			}
			for kind, text := range printed(t, content, env...) {
				if strings.Contains(strings.ToUpper(text), "S3CR3T") || kind == "yaml" && !strings.Contains(text, hidden) {
					t.Errorf("%s:\n%s", kind, text)
				}
			}
		})
	}
}

// TestProject_RedactedKeepsWhatIsNoSecret guards against a document without content.
func TestProject_RedactedKeepsWhatIsNoSecret(t *testing.T) {
	content := `
services:
  web:
    image: postgres:16
    command: [serve, -p3000, --port, "3000", -path, /srv, "https://host:8443/@scope/pkg", "--config=/etc/app.yaml"]
    environment: {PORT: "3000", TOKEN_FILE: /run/token, API_KEY: "", HOST: db.example, BASE: "https://shop.example/a?page=2", AUTH: "true", TLS_KEY: /certs/tls.key, PWD: /srv/app, POSTGRES_PASSWORD: postgres}
    healthcheck: {test: [CMD, wget, -q, "http://127.0.0.1:3000/healthz"], interval: 3s}
    secrets: [db_password]
    ports: ["8080:3000"]
    mem_limit: 64m
secrets: {db_password: {file: ./db.txt}}
`
	for kind, text := range printed(t, content) {
		for _, want := range []string{
			"postgres:16", "-p3000", "-path", "/srv", "https://host:8443/@scope/pkg", "--config=/etc/app.yaml", "/run/token", "db.example",
			"https://shop.example/a?page=2", "http://127.0.0.1:3000/healthz", "db_password", "db.txt", "true", "8080", "/certs/tls.key", "/srv/app",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: %s is not shown:\n%s", kind, want, text)
			}
		}
		if strings.Count(text, hidden) != 1 {
			t.Errorf("%s: %d values are hidden:\n%s", kind, strings.Count(text, hidden), text)
		}
	}
}

// FuzzRedact puts any text where a secret can be and looks for it in what is shown.
func FuzzRedact(f *testing.F) {
	f.Add("hunter2")
	f.Add("one two")
	f.Add("ghp_0123456789abcdefghij'\"")
	f.Add("a@b:c/d")
	f.Fuzz(func(t *testing.T, value string) {
		value = strings.TrimSpace(value)
		if len(value) < 8 || strings.Contains(value, hidden[:3]) || !utf8.ValidString(value) {
			return
		}
		p := &Project{Project: &types.Project{}}
		out := p.redact(map[string]any{
			"environment": map[string]any{"DB_PASSWORD": value, "NOTE": "see " + value, "URL": "amqp://u:" + value + "@mq/x"},
			"command":     []any{"run", "--password", value, "x" + value}, "x-a": map[string]any{"list": []any{value}},
		})
		if text := fmt.Sprint(out); strings.Contains(text, value) {
			t.Errorf("%q is in %s", value, text)
		}
	})
}
