package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/vision19/vision/sdk"
)

// Handler serves /healthz, /readyz and POST /api/v1/<endpoint>. Of an error it tells the first line: what a plugin printed before it died may be of
// another caller's request.
func Handler(b Backend, log *slog.Logger) http.Handler { return handler(discreet{b}, log) }

// discreet is a backend for strangers.
type discreet struct{ Backend }

// Do implements Backend.
func (d discreet) Do(ctx context.Context, job Job, events Events) (Answer, error) {
	answer, err := d.Backend.Do(ctx, job, events)
	if err != nil {
		e := *sdk.AsError(err)
		e.Message, _, _ = strings.Cut(e.Error(), "\n")
		return answer, &e
	}
	return answer, nil
}

// Plugins implements Backend.
func (d discreet) Plugins() []Plugin {
	plugins := d.Backend.Plugins()
	for i := range plugins {
		plugins[i].LastError, _, _ = strings.Cut(plugins[i].LastError, "\n")
		for k := range plugins[i].Replicas {
			r := &plugins[i].Replicas[k]
			r.LastError, _, _ = strings.Cut(r.LastError, "\n")
		}
	}
	return plugins
}

func handler(b Backend, log *slog.Logger) http.Handler {
	s := &server{backend: b, log: log}
	r := chi.NewRouter()
	r.Use(s.recover, middleware.GetHead)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	r.Get("/readyz", s.ready)
	r.Post("/api/v1/{endpoint}", s.infer)
	r.NotFound(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, sdk.NewError(CodeNotFound, "no route "+r.URL.Path+"; inference is POST /api/v1/<endpoint>", nil))
	})
	r.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		allow := http.MethodPost
		if !strings.HasPrefix(r.URL.Path, "/api/") {
			allow = http.MethodGet + ", " + http.MethodHead
		}
		w.Header().Set("Allow", allow)
		writeJSON(w, http.StatusMethodNotAllowed, errorBody{Error: errorText{Code: "method_not_allowed", Message: r.Method + " is not allowed here"}})
	})
	return r
}

type server struct {
	backend Backend
	log     *slog.Logger
}

// Server makes an HTTP server with bounds on slow and idle clients; responses have none, inference takes its time.
func Server(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       2 * time.Minute, // a 64 MiB body at 5 Mbit/s
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

func (s *server) recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.Error("panic in a request", "path", r.URL.Path, "panic", v)
			writeError(w, sdk.NewError(sdk.CodeInternal, "internal error", nil))
		}()
		next.ServeHTTP(w, r)
	})
}

// ready answers 200 when every plugin is ready, or stopped for want of work.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	status, plugins := http.StatusOK, s.backend.Plugins()
	for _, p := range plugins {
		if p.State != "ready" && p.State != "stopped" {
			status = http.StatusServiceUnavailable
		}
	}
	writeJSON(w, status, map[string]any{"ready": status == http.StatusOK, "plugins": plugins})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone
}

type errorBody struct {
	Error errorText `json:"error"`
}

type errorText struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Faults  any    `json:"faults,omitempty"`
}

// codeTooLarge is a request body above its bound.
const codeTooLarge sdk.Code = "too_large"

var statuses = map[sdk.Code]int{
	sdk.CodeInvalidInput: http.StatusBadRequest,
	sdk.CodeUnsafe:       http.StatusBadRequest,
	sdk.CodeOutOfMemory:  http.StatusServiceUnavailable,
	sdk.CodeCancelled:    499, // the client has closed the request; nobody reads it but a log
	sdk.CodeDeadline:     http.StatusGatewayTimeout,
	sdk.CodeBusy:         http.StatusTooManyRequests,
	sdk.CodeUnavailable:  http.StatusServiceUnavailable,
	sdk.CodeInternal:     http.StatusInternalServerError,
	CodeNotFound:         http.StatusNotFound,
	codeTooLarge:         http.StatusRequestEntityTooLarge,
}

func body(e *sdk.Error) errorBody {
	out := errorBody{Error: errorText{Code: string(e.Code), Message: e.Error(), Param: e.Param}}
	if len(e.Faults) > 1 {
		out.Error.Faults = e.Faults
	}
	return out
}

func writeError(w http.ResponseWriter, err error) {
	e := sdk.AsError(err)
	status, ok := statuses[e.Code]
	if !ok {
		status = http.StatusInternalServerError
	}
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", strconv.Itoa(max(1, int((e.RetryAfter+time.Second-1)/time.Second))))
	}
	writeJSON(w, status, body(e))
}
