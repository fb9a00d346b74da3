package api

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/vision19/vision/host/telemetry"
)

func TestReload_carries_the_report(t *testing.T) {
	for _, want := range []ReloadReport{
		{Applied: true, Plan: []byte(`{"fits":true}`), Errors: []string{}},
		{Plan: []byte("null"), Diagnostics: "plugins.hcl:1:1: error: <&>\n", Errors: []string{"plugin a: no"}},
	} {
		c, _ := serveControl(t, &desk{report: want}, nil)
		if got, err := c.Reload(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
}

func TestClient_reports_a_broken_answer(t *testing.T) {
	answers := map[string]string{"half a line": `{"seq":1,"time":"2026-03-01T`, "no line": "[]\n", "a cut answer": ""}
	for name, text := range answers {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(text)+10))
			_, _ = io.WriteString(w, text)
		}))
		address := server.Listener.Addr().String()
		c := &Client{http: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		}}}}
		if err := c.Logs(t.Context(), "", 1, true, func(telemetry.Line) {}); err == nil {
			t.Errorf("%s of the logs is no error", name)
		}
		if _, err := c.Reload(t.Context()); err == nil {
			t.Errorf("%s of the reload is no error", name)
		}
		server.Close()
	}
}
