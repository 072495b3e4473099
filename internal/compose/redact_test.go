package compose

import (
	"strings"
	"testing"
)

func TestProject_RedactedHidesSecrets(t *testing.T) {
	p, err := Load(t.Context(), LoadOptions{WorkingDir: t.TempDir(), ProjectName: "shop", Embedded: &Embedded{Name: "compose.yaml", Content: []byte(`
services:
  web:
    image: shop:1
    environment: {SLACK_WEBHOOK_URL: "https://hooks.example/T0/B0/x9", DB_PASSWORD: hunter2, TOKEN_FILE: /run/token, PORT: "3000", API_KEY: ""}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	shown, err := p.Redacted()
	if err != nil {
		t.Fatal(err)
	}
	text, err := shown.MarshalYAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hooks.example", "hunter2"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is shown:\n%s", secret, text)
		}
	}
	for _, plain := range []string{"/run/token", "3000", "(hidden)"} {
		if !strings.Contains(string(text), plain) {
			t.Errorf("%s is not shown:\n%s", plain, text)
		}
	}
	if got := p.Services["web"].Environment["DB_PASSWORD"]; got == nil || *got != "hunter2" {
		t.Error("the project itself was changed")
	}
}
