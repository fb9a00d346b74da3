package onnx

import (
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Bounds of a model's structure; far above what real models have, and low enough that no file makes reading slow or large.
const (
	maxFields = 1 << 24  // protobuf fields that are looked at: about a second's work
	maxText   = 32 << 20 // bytes of all names together
	maxName   = 4 << 10  // bytes of one name
	maxDepth  = 32       // graphs within graphs
)

// scanner walks the protobuf messages of a file through a small window, so that a payload nobody asks for is not even read.
type scanner struct {
	file   io.ReaderAt
	size   int64
	window []byte
	at     int64 // offset of the window
	fields int   // looked at so far
	text   int   // bytes of names read so far
}

// span is a part of the file, such as a message.
type span struct{ from, to int64 }

// field is one field of a message. Its key is number<<3 | wire type, so that a field of an unexpected type is an unknown one.
type field struct {
	key   uint64
	value uint64 // of a varint
	span         // of what has a length
}

// overrun is a field that ends after its message.
type overrun struct {
	at, need, have int64
	key            uint64
}

// Error implements error.
func (o overrun) Error() string {
	return fmt.Sprintf("the field %d at byte %d reaches to byte %d, what holds it only to %d", o.key>>3, o.at, o.need, o.have)
}

func damaged(at int64, format string, args ...any) error {
	return fmt.Errorf("%w: byte %d: %s", ErrNoModel, at, fmt.Sprintf(format, args...))
}

// peek returns up to n bytes at an offset, fewer at the end of the file.
func (s *scanner) peek(at int64, n int) ([]byte, error) {
	if at < s.at || at+int64(n) > s.at+int64(len(s.window)) {
		buffer := s.window[:cap(s.window)]
		read, err := s.file.ReadAt(buffer[:max(0, min(int64(len(buffer)), s.size-at))], at)
		if err != nil && err != io.EOF {
			return nil, err
		}
		s.window, s.at = buffer[:read], at
	}
	from := int(at - s.at)
	return s.window[from:min(from+n, len(s.window))], nil
}

func (s *scanner) varint(at, end int64) (v uint64, after int64, err error) {
	b, err := s.peek(at, int(min(10, end-at)))
	if err != nil {
		return 0, 0, err
	}
	v, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return 0, 0, damaged(at, "no number")
	}
	return v, at + int64(n), nil
}

// each calls visit for every field of a message.
func (s *scanner) each(m span, visit func(field) error) error {
	for at := m.from; at < m.to; {
		if s.fields++; s.fields > maxFields {
			return damaged(at, "more than %d fields", maxFields)
		}
		f, err := s.field(at, m.to)
		if err != nil {
			return err
		}
		if f.to > m.to {
			return overrun{at, f.to, m.to, f.key}
		}
		if err := visit(f); err != nil {
			return err
		}
		at = f.to
	}
	return nil
}

func (s *scanner) field(at, end int64) (field, error) {
	key, from, err := s.varint(at, end)
	if err != nil {
		return field{}, err
	}
	if number := key >> 3; number == 0 || number > uint64(protowire.MaxValidNumber) {
		return field{}, damaged(at, "no field has the number %d", number)
	}
	f := field{key: key}
	switch protowire.Type(key & 7) {
	case protowire.VarintType:
		f.value, from, err = s.varint(from, end)
		f.span = span{from, from}
	case protowire.Fixed32Type:
		f.span = span{from, from + 4}
	case protowire.Fixed64Type:
		f.span = span{from, from + 8}
	case protowire.BytesType:
		var length uint64
		length, from, err = s.varint(from, end)
		if length > math.MaxInt64-uint64(from) {
			return field{}, damaged(at, "a length of %d bytes", length)
		}
		f.span = span{from, from + int64(length)}
	default:
		return field{}, damaged(at, "there is no wire type %d in an ONNX file", key&7)
	}
	return f, err
}

// name reads a short text.
func (s *scanner) name(f field) (string, error) {
	n := f.to - f.from
	if n > maxName {
		return "", damaged(f.from, "a name of %d bytes, more than %d", n, maxName)
	}
	if s.text += int(n); s.text > maxText {
		return "", damaged(f.from, "names of more than %d bytes together", maxText)
	}
	b, err := s.peek(f.from, int(n))
	if err != nil {
		return "", err
	}
	if !utf8.Valid(b) || int64(len(b)) < n {
		return "", damaged(f.from, "a name that is no UTF-8 text")
	}
	return string(b), nil
}
