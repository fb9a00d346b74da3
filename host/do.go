package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

// Do runs one job: it checks it against the description, draws what is random, waits for the plugin and returns its checked answer.
// Without a deadline in ctx it has api.DefaultDeadline. Every error is an *sdk.Error.
func (h *Host) Do(ctx context.Context, job api.Job, events api.Events) (api.Answer, error) {
	u := h.find(job.Target)
	if u == nil {
		return api.Answer{}, sdk.NewError(api.CodeNotFound, fmt.Sprintf("no endpoint or plugin %q is declared", job.Target), nil)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, api.DefaultDeadline)
		defer cancel()
	}
	var request sdk.Request
	if d, configured := u.describe(); configured { // what is wrong is told before it waits
		var err error
		if request, err = h.request(d, job); err != nil {
			return api.Answer{}, err
		}
	}
	if err := u.enter(); err != nil {
		return api.Answer{}, err
	}
	defer u.leave()
	return h.runOn(ctx, u, job, request, events)
}

// runOn waits for the plugin's turn and runs the request. One without an ID has not been checked, because the description was not known.
func (h *Host) runOn(ctx context.Context, u *unit, job api.Job, request sdk.Request, events api.Events) (api.Answer, error) {
	ticket, err := u.queue.Acquire(ctx)
	if err != nil {
		return api.Answer{}, late(err)
	}
	defer ticket.Done()
	d, _ := u.describe()
	if request.ID == "" {
		if request, err = h.request(d, job); err != nil {
			return api.Answer{}, err
		}
	}
	began := time.Now()
	result, err := u.instance.Infer(ctx, request, wire.Sink{Accepted: events.Accepted, Step: events.Step, Preview: events.Preview})
	if err != nil {
		h.log.Warn("request failed", "plugin", u.part.plugin.Name, "id", request.ID, "error", firstLine(err))
		return api.Answer{}, late(err)
	}
	values := request.Values
	maps.Copy(values, result.Values)
	return api.Answer{
		Plugin: u.part.plugin.Name, Endpoint: d.Endpoint, Device: u.part.device.Name,
		Result: result, Values: values, Queued: ticket.Waited, Took: time.Since(began),
	}, nil
}

// late names the cure of a deadline that has passed.
func late(err error) error {
	if !errors.Is(err, sdk.ErrDeadline) {
		return sdk.AsError(err)
	}
	return sdk.NewError(sdk.CodeDeadline, err.Error()+"; ask for more time with the header \"Prefer: wait=SECONDS\", or with generate --timeout", err)
}

// request makes the checked request of a job.
func (h *Host) request(d sdk.Description, job api.Job) (sdk.Request, error) {
	r := sdk.Request{ID: strconv.FormatUint(h.requests.Add(1), 10), Texts: job.Texts, Images: map[string][]sdk.Image{}}
	var faults schema.Faults
	for name, images := range job.Images {
		for _, data := range images {
			header, err := imaging.Inspect(data)
			if err != nil {
				faults = append(faults, schema.Fault{Param: name, Message: "is " + err.Error()})
			}
			r.Images[name] = append(r.Images[name], sdk.Image{MediaType: header.MediaType, Width: header.Width, Height: header.Height, Data: data})
		}
	}
	checked, err := d.CheckRequest(r, job.Parameters)
	if e := new(sdk.Error); errors.As(err, &e) {
		faults = append(faults, e.Faults...)
	}
	if len(faults) > 0 {
		return r, sdk.InvalidInputs(faults)
	}
	for _, p := range d.Parameters {
		if _, given := checked.Values[p.Name]; p.Random && !given {
			checked.Values[p.Name] = int64(*p.Min) + int64(h.random(uint64(*p.Max-*p.Min)+1))
		}
	}
	return checked, nil
}
