package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
)

// maxIndex bounds a GPU's number: no machine has more.
const maxIndex = 1023

// decodePlacement reads what says how many processes there are, where, and what they may do.
func (p *Plugin) decodePlacement(a *block) {
	if text, at, ok := a.text("on_full"); ok {
		if p.OnFull = text; text != OnFullError && text != OnFullEvict {
			a.fault(at, "Unknown choice", "on_full is %q: %q, or %q to let the least recently used idle plugins make room.", text, OnFullError, OnFullEvict)
		}
	}
	if weight, ok := a.number("weight", 0, 1); ok {
		p.Weight = weight
	}
	if n, ok := a.whole("max_batch", 1, MaxBatch); ok {
		p.MaxBatch = n
	}
	if delay, at, ok := a.duration("batch_delay"); ok {
		if p.BatchDelay = delay; delay > MaxBatchDelay {
			a.fault(at, "Wrong duration", "batch_delay is %s: at most %s, which every answer may have to wait.", delay, MaxBatchDelay)
		}
	}
	if text, _, ok := a.text("dev_override"); ok {
		p.DevOverride = absolute(p.dir, text)
	}
	if body := a.block("replicas"); body != nil {
		r, diags := attributes(body, "min", "max")
		if n, ok := r.whole("min", 0, MaxReplicas); ok {
			p.Replicas.Min = n
		}
		p.Replicas.Max = max(p.Replicas.Min, 1)
		if n, ok := r.whole("max", 1, MaxReplicas); ok {
			if p.Replicas.Max = n; n < p.Replicas.Min {
				r.fault(r.attrs["max"].Range, "Wrong number", "max is %d, fewer than min, %d.", n, p.Replicas.Min)
			}
		}
		a.diags = append(append(a.diags, diags...), r.diags...)
	}
	if body := a.block("sandbox"); body != nil {
		p.decodeSandbox(a, body)
	}
}

func (p *Plugin) decodeSandbox(a *block, body hcl.Body) {
	s, diags := attributes(body, "files", "network", "read")
	for name, confined := range map[string]*bool{"files": &p.Sandbox.Files, "network": &p.Sandbox.Network} {
		closed := map[string]string{"files": "confined", "network": "none"}[name]
		if text, at, ok := s.text(name); ok {
			if *confined = text == closed; !*confined && text != "open" {
				s.fault(at, "Unknown choice", "%s is %q: %q or \"open\".", name, text, closed)
			}
		}
	}
	if attr, ok := s.attrs["read"]; ok {
		var paths []string
		s.diags = append(s.diags, gohcl.DecodeExpression(attr.Expr, nil, &paths)...)
		for _, path := range paths {
			p.Sandbox.Read = append(p.Sandbox.Read, absolute(p.dir, path))
		}
	}
	a.diags = append(append(a.diags, diags...), s.diags...)
}
