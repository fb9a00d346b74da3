package api

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/vision19/vision/host/telemetry"
	"github.com/vision19/vision/sdk"
)

// Controller is what the host does for its own user, beyond running jobs.
type Controller interface {
	// Reload reads the configuration files again and moves to what they declare. It goes on when the client that asked has gone.
	Reload(ctx context.Context) ReloadReport
	// Logs returns the ring of a plugin block, or all of them for "". Its error is an *sdk.Error: ErrNotFound, with the names that there are.
	Logs(plugin string) ([]*telemetry.Ring, error)
}

// ReloadReport is what became of a reload, and the JSON form of `vision reload --json`.
type ReloadReport struct {
	Applied     bool            `json:"applied"`     // false: nothing has changed
	Plan        json.RawMessage `json:"plan"`        // as `vision plan --json` prints it
	Diagnostics string          `json:"diagnostics"` // of the files, as `vision validate` prints them
	Errors      []string        `json:"errors"`      // one for each plugin that has failed, and what has become of it
}

// DefaultLogLines is how many lines of a log are sent unless the client asks otherwise.
const DefaultLogLines = 100

// ControlHandler serves Handler's routes and those that are for the host's own user alone, on the control socket and never on TCP:
//
//	POST /control/reload                               answers with a ReloadReport
//	GET  /control/logs?plugin=NAME&lines=N&follow=true answers with telemetry.Lines, one JSON document a line
//
// Logs come merged by time: the last N lines of all plugins, or of one; with follow they go on until the client or the host ends. A
// client that reads too slowly gets a line that says how many it has missed.
func ControlHandler(b Backend, c Controller, log *slog.Logger) http.Handler {
	s := &control{controller: c, stopping: make(chan struct{})}
	routes := chi.NewRouter()
	routes.Use((&server{log: log}).recover)
	routes.Post("/control/reload", s.reload)
	routes.Get("/control/logs", s.logs)
	routes.NotFound(func(w http.ResponseWriter, r *http.Request) {
		writeError(w, sdk.NewError(CodeNotFound, "no route "+r.URL.Path+"; there are POST /control/reload and GET /control/logs", nil))
	})
	rest := handler(b, log)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/control/") {
			routes.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

// RequireToken serves only those who send the token. A plugin may find the control socket and connect to it, for its sandbox does not cover
// sockets that have a name; the token lies where plugins cannot read.
func RequireToken(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeJSON(w, http.StatusUnauthorized, errorBody{Error: errorText{Code: "unauthorized", Message: "the control socket is the host's own user's: the token is in host.json of the state folder"}})
			return
		}
		next.ServeHTTP(w, r)
	})
}

type control struct {
	controller Controller

	once     sync.Once
	stopping chan struct{} // closed when the HTTP server shuts down: logs that are followed would keep it from ending
}

func (s *control) reload(w http.ResponseWriter, r *http.Request) {
	report := s.controller.Reload(context.WithoutCancel(r.Context()))
	if len(report.Plan) == 0 {
		report.Plan = json.RawMessage("null")
	}
	if report.Errors == nil {
		report.Errors = []string{}
	}
	writeJSON(w, http.StatusOK, report)
}

func (s *control) logs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	lines, follow, err := logsQuery(q.Get("lines"), q.Get("follow"))
	if err != nil {
		writeError(w, err)
		return
	}
	rings, err := s.controller.Logs(q.Get("plugin"))
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	last, ends := recent(rings, lines)
	for _, l := range last {
		if out.Encode(l) != nil {
			return
		}
	}
	if follow {
		s.follow(w, r, q.Get("plugin"), ends)
	}
}

// logsQuery reads the parameters of /control/logs.
func logsQuery(lines, follow string) (n int, f bool, err error) {
	n = DefaultLogLines
	if lines != "" {
		if n, err = strconv.Atoi(lines); err != nil || n < 0 {
			return 0, false, sdk.InvalidInput("lines", fmt.Sprintf("is %q: a number of lines, 0 or more", lines))
		}
	}
	if follow != "" {
		if f, err = strconv.ParseBool(follow); err != nil {
			return 0, false, sdk.InvalidInput("follow", fmt.Sprintf("is %q: true or false", follow))
		}
	}
	return n, f, nil
}

// recent returns the last n lines of all rings by time, and up to which Seq each ring has been looked at.
func recent(rings []*telemetry.Ring, n int) ([]telemetry.Line, map[*telemetry.Ring]uint64) {
	var all []telemetry.Line
	ends := map[*telemetry.Ring]uint64{}
	for _, ring := range rings {
		lines := ring.Lines(max(n, 1)) // one at least: its Seq is the end
		if ends[ring] = 0; len(lines) > 0 {
			ends[ring] = lines[len(lines)-1].Seq
		}
		all = append(all, lines...)
	}
	slices.SortStableFunc(all, func(a, b telemetry.Line) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Seq, b.Seq)) })
	return all[max(len(all)-n, 0):], ends
}

// ringPoll is how often the followed rings are compared with those that there are: a reload may have added a plugin.
const ringPoll = time.Second

// maxFollowed bounds the rings that one client follows, which it keeps in memory at a mebibyte each. A host has a few dozen plugins;
// only reloads that rename them again and again while somebody follows come near.
const maxFollowed = 512

// lastWrite is how long the last line and the end of a followed log may take; a host that stops does not wait for a reader.
const lastWrite = time.Second

// follow sends lines as they come until the client goes or the server stops. It begins after the Seqs in ends.
func (s *control) follow(w http.ResponseWriter, r *http.Request, plugin string, ends map[*telemetry.Ring]uint64) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(ctx, func() { // a write to a client that does not read would wait for ever
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(lastWrite))
	})()
	s.endWithServer(ctx, cancel)
	lines := make(chan telemetry.Line)
	watch := func(ring *telemetry.Ring, after uint64) {
		for l := range ring.Follow(ctx, after) {
			select {
			case lines <- l:
			case <-ctx.Done():
			}
		}
	}
	for ring, after := range ends {
		go watch(ring, after)
	}
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	flush := http.NewResponseController(w).Flush
	poll := time.NewTicker(ringPoll)
	defer poll.Stop()
	for err := flush(); err == nil; {
		select {
		case <-ctx.Done():
			return
		case l := <-lines:
			if err = out.Encode(l); err == nil {
				err = flush()
			}
		case <-poll.C:
			rings, _ := s.controller.Logs(plugin) // a plugin that has gone may come back
			for _, ring := range rings {
				if _, known := ends[ring]; !known && len(ends) < maxFollowed {
					ends[ring] = 0
					go watch(ring, 0)
				}
			}
		}
	}
}

// endWithServer calls cancel when the server that serves ctx's request begins to shut down.
func (s *control) endWithServer(ctx context.Context, cancel func()) {
	if server, ok := ctx.Value(http.ServerContextKey).(*http.Server); ok {
		s.once.Do(func() { server.RegisterOnShutdown(func() { close(s.stopping) }) })
	}
	go func() {
		select {
		case <-s.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
}
