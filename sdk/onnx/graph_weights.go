package onnx

import (
	"fmt"
	"path/filepath"
	"strconv"

	ort "github.com/yalue/onnxruntime_go"
)

// tensor adds up a tensor's bytes, wherever they are, and returns its name.
func (r *graphReader) tensor(m span) (string, error) {
	var t tensorHead
	err := r.each(m, func(f field) error { return r.tensorField(&t, f) })
	if err != nil {
		return "", err
	}
	size, err := t.bytes(m.from)
	if err != nil {
		return "", err
	}
	if t.outside {
		if size, err = r.externalTensor(t, size, m.from); err != nil {
			return "", err
		}
	} else if held := t.raw.to - t.raw.from; held > 0 && held != size && size > 0 || held == 0 && size > 8*(m.to-m.from) {
		// Without raw data, the smallest numbers take one byte for eight.
		return "", damaged(m.from, "the weights %q need %d bytes and have others", t.name, size)
	}
	if r.weights[t.kind] += size; r.weights[t.kind] > maxTensor {
		return "", damaged(m.from, "weights of more than %d bytes", int64(maxTensor))
	}
	return t.name, nil
}

// tensorHead is a tensor without its data.
type tensorHead struct {
	name    string
	dims    []int64
	kind    ort.TensorElementDataType
	raw     span
	outside bool              // its data is in another file
	entries map[string]string // where there
}

func (r *graphReader) tensorField(t *tensorHead, f field) (err error) {
	switch f.key {
	case tensorDim:
		t.dims = append(t.dims, int64(f.value))
	case tensorDims:
		for at := f.from; at < f.to && err == nil && len(t.dims) <= maxAxes; {
			var v uint64
			v, at, err = r.varint(at, f.to)
			t.dims = append(t.dims, int64(v))
		}
	case tensorKind:
		t.kind = kindOf(f.value)
	case tensorName:
		t.name, err = r.name(f)
	case tensorRaw:
		t.raw = f.span
	case tensorLocation:
		t.outside = f.value == 1
	case tensorExternal:
		err = r.entry(t, f.span)
	}
	if err == nil && len(t.dims) > maxAxes {
		err = damaged(f.from, "a tensor with more than %d axes", maxAxes)
	}
	return err
}

// entry reads one key and value of where a tensor's data is.
func (r *graphReader) entry(t *tensorHead, m span) error {
	var key, value string
	err := r.each(m, func(f field) (err error) {
		switch f.key {
		case entryKey:
			key, err = r.name(f)
		case entryValue:
			value, err = r.name(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	if t.entries == nil {
		t.entries = map[string]string{}
	}
	t.entries[key] = value
	return nil
}

// bytes is what the shape and the element type say.
func (t tensorHead) bytes(at int64) (int64, error) {
	bits := elementOf(t.kind).bits
	n := int64(1)
	for _, d := range t.dims {
		if d < 0 || (d > 0 && n > maxTensor/d) {
			return 0, damaged(at, "a tensor %q of the shape %v", t.name, t.dims)
		}
		n *= d
	}
	return (n*bits + 7) / 8, nil
}

// externalTensor notes a tensor in another file and returns its bytes there.
func (r *graphReader) externalTensor(t tensorHead, size, at int64) (int64, error) {
	location := t.entries["location"]
	if !filepath.IsLocal(filepath.FromSlash(location)) {
		return 0, fmt.Errorf("%w: the weights %q are in %q, which is not in the model's folder", ErrExternalData, t.name, location)
	}
	offset, length := int64(0), size
	for key, to := range map[string]*int64{"offset": &offset, "length": &length} {
		text, ok := t.entries[key]
		if !ok {
			continue
		}
		v, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v < 0 || v > maxTensor {
			return 0, damaged(at, "the %s of the weights %q is %q", key, t.name, text)
		}
		*to = v
	}
	if length != size && size > 0 { // as the runtime has it
		return 0, damaged(at, "the weights %q need %d bytes and have %d", t.name, size, length)
	}
	i, ok := r.external[location]
	if !ok {
		if len(r.graph.External) == maxExternal {
			return 0, damaged(at, "more than %d external files", maxExternal)
		}
		i = len(r.graph.External)
		r.external[location] = i
		r.graph.External = append(r.graph.External, ExternalFile{Location: location})
	}
	r.graph.External[i].Bytes = max(r.graph.External[i].Bytes, offset+length)
	return length, nil
}
