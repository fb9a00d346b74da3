package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/vision19/vision/host/telemetry"
)

// Reload makes the host read its configuration files again. The host finishes what it has begun when ctx ends before.
func (c *Client) Reload(ctx context.Context) (ReloadReport, error) {
	var out ReloadReport
	body, err := c.control(ctx, http.MethodPost, "/control/reload")
	if err != nil {
		return out, err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&out); err != nil {
		return out, fmt.Errorf("read the host's answer: %w", err)
	}
	return out, nil
}

// Logs calls each with the last lines of a plugin's log, or of all plugins' for "", in the order of their times; with follow also with
// those that come, until ctx or the host ends, which is no error. An *sdk.Error of ErrNotFound names the plugins that there are.
func (c *Client) Logs(ctx context.Context, plugin string, lines int, follow bool, each func(telemetry.Line)) error {
	q := url.Values{"plugin": {plugin}, "lines": {strconv.Itoa(lines)}, "follow": {strconv.FormatBool(follow)}}
	body, err := c.control(ctx, http.MethodGet, "/control/logs?"+q.Encode())
	if err != nil {
		if follow && ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer body.Close()
	for in := json.NewDecoder(body); ; {
		var l telemetry.Line
		switch err := in.Decode(&l); {
		case errors.Is(err, io.EOF), err != nil && follow && ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("read the host's answer: %w", err)
		}
		each(l)
	}
}

// control asks a route of ControlHandler and returns the body of its answer; the caller closes it.
func (c *Client) control(ctx context.Context, method, path string) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://host"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask the host: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read the host's answer: %w", err)
	}
	return nil, readError(data)
}
