package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/device"
	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/host/sched"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
	"github.com/vision19/vision/sdk/schema"
	"github.com/vision19/vision/sdk/wire"
)

// Do runs one job: it checks it against the description, draws what is random, waits for the plugin and returns its checked answer.
// A job whose process is lost, or runs out of memory, is tried once more. Without a deadline in ctx it has api.DefaultDeadline. Every error is an
// *sdk.Error.
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
	w := &work{unit: u, job: job, sink: once(events)}
	if d, p, configured := u.describe(); configured { // what is wrong is told before it waits
		if err := w.check(h, d, p); err != nil {
			return api.Answer{}, err
		}
	}
	if err := u.enter(); err != nil {
		return api.Answer{}, err
	}
	defer u.leave()
	ask := sched.Ask{Class: job.Class, Client: job.Client, Batch: w.batch, Queued: u.rouse}
	began := time.Now()
	answer, err := h.attempt(ctx, w, ask)
	if err != nil && w.on != nil && ctx.Err() == nil && h.recovers(ctx, w, err) {
		h.log.Info("request is tried once more", "plugin", w.on.name, "id", w.request.ID, "error", firstLine(err))
		w.on.say("request " + w.request.ID + " is tried once more")
		ask.Avoid, ask.Since = w.on.key, began
		answer, err = h.attempt(ctx, w, ask)
	}
	if err != nil {
		return api.Answer{}, late(err)
	}
	answer.Queued = time.Since(began) - answer.Took
	return answer, nil
}

// work is one job on its way, with the request that has been made of it.
type work struct {
	unit    *unit
	job     api.Job
	sink    wire.Sink
	request sdk.Request
	checked *part // that the request agrees with; nil before
	batch   string
	on      *replica // where it was tried last, nil before
	pid     int      // of the process there
}

// check makes the request by a description, whose part it then agrees with. Random values are drawn once: a second try gives the same picture.
func (w *work) check(h *Host, d sdk.Description, p *part) error {
	request, err := h.request(d, w.job)
	if err != nil {
		return err
	}
	for name, value := range w.request.Values {
		if x, ok := d.Parameters.Lookup(name); ok && x.Random {
			request.Values[name] = value
		}
	}
	w.request, w.checked, w.batch = request, p, d.BatchKeyOf(request)
	return nil
}

// attempt waits for a process's turn and runs the request there.
func (h *Host) attempt(ctx context.Context, w *work, ask sched.Ask) (api.Answer, error) {
	ticket, err := w.unit.queue.Acquire(ctx, ask)
	if err != nil {
		return api.Answer{}, err
	}
	defer ticket.Done()
	r := w.unit.find(ticket.Instance)
	if r == nil { // only when a stopping host has run out of time: a replica stays as long as something runs on it
		ticket.Batch.Leave()
		return api.Answer{}, &sdk.Error{Code: sdk.CodeUnavailable, Message: "the plugin was just replaced", RetryAfter: time.Second}
	}
	defer func() { r.ended.Store(time.Now().UnixNano()) }()
	s := r.instance.Status()
	d := s.Description
	w.on, w.pid = r, s.PID
	if w.checked != r.part() {
		if err := w.check(h, d, r.part()); err != nil {
			ticket.Batch.Leave()
			return api.Answer{}, err
		}
		if w.batch != ask.Batch { // under the new description it may not run with the others
			ticket.Batch.Leave()
			ticket.Batch = nil
		}
	}
	began := time.Now()
	result, err := r.instance.Infer(ctx, w.request, w.sink, ticket.Batch)
	if err != nil {
		h.log.Warn("request failed", "plugin", r.name, "id", w.request.ID, "error", firstLine(err))
		return api.Answer{}, err
	}
	took := time.Since(began)
	h.records.Note(r.part().recordKey, func(x *device.Record) { x.Took(took) })
	values := w.request.Values
	maps.Copy(values, result.Values)
	return api.Answer{Plugin: w.unit.name, Endpoint: d.Endpoint, Device: r.device.Name, Result: result, Values: values, Took: took}, nil
}

// shortWait is how long the next start of a process may be off for a request to wait for it.
const shortWait = 2 * time.Second

// recovers reports whether a failed request may succeed when it is tried again, and sees to it that it can.
func (h *Host) recovers(ctx context.Context, w *work, err error) bool {
	switch {
	case errors.Is(err, sdk.ErrOutOfMemory):
		h.relieve(ctx, w.on)
		w.on.instance.Recycle(w.pid, err)
	case !instance.Lost(err):
		return false
	}
	wait := sdk.AsError(w.unit.cooling()) // nil when there is none
	return wait == nil || wait.RetryAfter <= shortWait
}

// once is a sink whose events make sense when a request is tried twice: accepted comes once, and steps only grow.
func once(events api.Events) wire.Sink {
	accepted, most := false, 0
	sink := wire.Sink{Preview: events.Preview}
	if events.Accepted != nil {
		sink.Accepted = func() {
			if !accepted {
				accepted = true
				events.Accepted()
			}
		}
	}
	if events.Step != nil {
		sink.Step = func(done, total int) {
			if done > most {
				most = done
				events.Step(done, total)
			}
		}
	}
	return sink
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
