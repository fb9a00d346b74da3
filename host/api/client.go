package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// Client speaks to a host through its control socket.
type Client struct{ http *http.Client }

// NewClient uses the host that listens on the socket, and proves with the token that it may.
func NewClient(socket, token string) *Client {
	return &Client{http: &http.Client{Transport: bearer{token, &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}}
}

// bearer sends a token with every request (RFC 6750).
type bearer struct {
	token string
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// Plugins lists the host's plugins.
func (c *Client) Plugins(ctx context.Context) ([]Plugin, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://host/readyz", nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	defer answer.Body.Close()
	var out struct{ Plugins []Plugin }
	if err := json.NewDecoder(answer.Body).Decode(&out); err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	return out.Plugins, nil
}

// Field is one member of a request as text, or a file's bytes: the host knows which type it must have.
type Field struct {
	Name  string
	Value []byte
}

// Infer sends one request and reports its progress. step may be nil.
func (c *Client) Infer(ctx context.Context, target string, fields []Field, timeout time.Duration, step func(Progress)) (Reply, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, f := range fields {
		part, err := form.CreateFormField(f.Name)
		if err != nil {
			return Reply{}, err
		}
		_, _ = part.Write(f.Value) // a Buffer does not fail
	}
	if err := form.Close(); err != nil {
		return Reply{}, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://host/api/v1/"+url.PathEscape(target), &body)
	if err != nil {
		return Reply{}, err
	}
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Accept", "text/event-stream")
	r.Header.Set("Prefer", fmt.Sprintf("wait=%d", int(math.Ceil(timeout.Seconds()))))
	answer, err := c.http.Do(r)
	if err != nil {
		return Reply{}, fmt.Errorf("ask the host: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		data, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
		if err != nil {
			return Reply{}, fmt.Errorf("read the host's answer: %w", err)
		}
		return Reply{}, readError(data)
	}
	return readEvents(answer.Body, step)
}

// readEvents reads server-sent events until the result or the error.
func readEvents(body io.Reader, step func(Progress)) (Reply, error) {
	lines := bufio.NewReader(body)
	event := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return Reply{}, fmt.Errorf("read the host's answer: %w", io.ErrUnexpectedEOF)
		}
		line = strings.TrimRight(line, "\n")
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		switch event {
		case "progress":
			var p Progress
			if json.Unmarshal([]byte(data), &p) == nil && step != nil {
				step(p)
			}
		case "result":
			var reply Reply
			if err := json.Unmarshal([]byte(data), &reply); err != nil {
				return Reply{}, fmt.Errorf("read the host's answer: %w", err)
			}
			return reply, nil
		case "error":
			return Reply{}, readError([]byte(data))
		}
	}
}

// readError turns an error body back into the *sdk.Error that it was.
func readError(data []byte) error {
	var b struct {
		Error struct {
			Code, Message, Param string
			Faults               schema.Faults
		}
	}
	if err := json.Unmarshal(data, &b); err != nil || b.Error.Code == "" {
		return fmt.Errorf("the host answered %q", data)
	}
	e := sdk.NewError(sdk.Code(b.Error.Code), b.Error.Message, nil)
	e.Param, e.Faults = b.Error.Param, b.Error.Faults
	return e
}
