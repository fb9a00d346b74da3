package api

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vision19/vision/sdk"
)

// fixed is a backend with one answer to everything.
type fixed struct{ result sdk.Result }

func (f fixed) Do(context.Context, Job, Events) (Answer, error) { return Answer{Result: f.result}, nil }
func (f fixed) Describe(string) (sdk.Description, bool)         { return description(), true }
func (f fixed) Plugins() []Plugin                               { return nil }

func ask(result sdk.Result, method, path, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(`{"prompt":"hi"}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	Handler(fixed{result}, slog.New(slog.DiscardHandler)).ServeHTTP(w, r)
	return w
}

func TestImageAnswer_bounds_the_warnings_in_headers(t *testing.T) {
	result := sdk.Result{Images: []sdk.Image{{MediaType: sdk.PNG, Data: []byte("png")}}}
	for range 20 {
		result.Warnings = append(result.Warnings, strings.Repeat("圆", 9000))
	}
	w := ask(result, http.MethodPost, "/api/v1/test", "image/png")
	bytes := 0
	for _, warning := range w.Header().Values("Vision-Warning") {
		bytes += len(warning)
		if strings.Trim(warning, "?") != "" {
			t.Errorf("a header is not ASCII: %q", warning[:20])
		}
	}
	if w.Code != http.StatusOK || bytes == 0 || bytes > 4096 {
		t.Errorf("status %d, %d bytes of warnings", w.Code, bytes)
	}
}

func TestImageAnswer_of_a_refused_picture_is_an_error(t *testing.T) {
	if w := ask(sdk.Result{Unsafe: true}, http.MethodPost, "/api/v1/test", "image/*"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "unsafe_content") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask(sdk.Result{Unsafe: true}, http.MethodPost, "/api/v1/test", "application/json"); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"unsafe":true`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestHealth_answers_HEAD_and_names_what_it_allows(t *testing.T) {
	if w := ask(sdk.Result{}, http.MethodHead, "/healthz", ""); w.Code != http.StatusOK {
		t.Errorf("HEAD: %d", w.Code)
	}
	for path, want := range map[string]string{"/healthz": "GET, HEAD", "/api/v1/test": "POST"} {
		if w := ask(sdk.Result{}, http.MethodDelete, path, ""); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != want {
			t.Errorf("DELETE %s: %d, allowed are %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// dying is a backend whose plugin has died, with another caller's lines.
type dying struct{ fixed }

func (dying) Do(context.Context, Job, Events) (Answer, error) {
	return Answer{}, sdk.NewError(sdk.CodeUnavailable, "plugin test ended (exit status 2)\nits last lines:\n  panic: somebody's prompt", nil)
}

func (dying) Plugins() []Plugin {
	return []Plugin{{LastError: "ended\n  somebody's prompt", Replicas: []Replica{{LastError: "ended\n  somebody's prompt"}}}}
}

func TestErrors_of_a_plugin_are_one_line_for_strangers_and_whole_for_the_host_s_user(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for name, c := range map[string]struct {
		handler http.Handler
		whole   bool
	}{"over TCP": {Handler(dying{}, log), false}, "on the control socket": {ControlHandler(dying{}, &desk{}, log), true}} {
		for _, accept := range []string{"application/json", "text/event-stream"} {
			r := httptest.NewRequest(http.MethodPost, "/api/v1/test", strings.NewReader(`{"prompt":"hi"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, r)
			if text := w.Body.String(); !strings.Contains(text, "exit status 2") || strings.Contains(text, "somebody") != c.whole {
				t.Errorf("%s, %s: %s", name, accept, text)
			}
		}
		w := httptest.NewRecorder()
		c.handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if text := w.Body.String(); !strings.Contains(text, "ended") || strings.Contains(text, "somebody") != c.whole {
			t.Errorf("%s: %s", name, text)
		}
	}
}
