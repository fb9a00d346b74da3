package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

// MaxBody bounds a request body: 16 images of 4 MiB, which is also what one message to a plugin holds.
const MaxBody = 64 << 20

// The deadline of a request: DefaultDeadline unless it asks otherwise with "Prefer: wait=<seconds>" (RFC 7240), at most MaxDeadline.
const (
	DefaultDeadline = 60 * time.Second
	MaxDeadline     = 10 * time.Minute
)

func deadline(r *http.Request) time.Duration {
	for _, preference := range strings.Split(strings.Join(r.Header.Values("Prefer"), ","), ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(preference), "wait=")
		if seconds, err := strconv.Atoi(value); ok && err == nil && seconds > 0 {
			return min(time.Duration(min(seconds, 1<<20))*time.Second, MaxDeadline)
		}
	}
	return DefaultDeadline
}

// readJob reads the body, JSON or multipart, by the description.
func readJob(w http.ResponseWriter, r *http.Request, target string, d sdk.Description) (Job, error) {
	r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
	job := Job{Target: target, Texts: map[string][]string{}, Images: map[string][][]byte{}, Parameters: map[string]any{}}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "multipart/form-data":
		err = readMultipart(r, d, &job)
	case err == nil && kind == "application/json":
		err = readJSON(r.Body, d, &job)
	default:
		err = sdk.InvalidInput("Content-Type", fmt.Sprintf("the Content-Type is %q: application/json or multipart/form-data", r.Header.Get("Content-Type")))
	}
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		err = sdk.NewError(codeTooLarge, fmt.Sprintf("the body has more than %d bytes", MaxBody), err)
	}
	return job, err
}

// readJSON reads one object whose members are inputs and parameters; images are base64 or data URLs, several are an array.
func readJSON(body io.Reader, d sdk.Description, job *Job) error {
	decoder := json.NewDecoder(body)
	decoder.UseNumber()
	var members map[string]any
	if err := decoder.Decode(&members); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return err
		}
		return sdk.InvalidInput("", "the body is no JSON object: "+err.Error())
	}
	if _, err := decoder.Token(); err != io.EOF {
		return sdk.InvalidInput("", "something follows the JSON object")
	}
	var faults schema.Faults
	for name, value := range members {
		input, ok := d.Input(name)
		if !ok {
			job.Parameters[name] = value
			continue
		}
		values, many := value.([]any)
		if !many {
			values = []any{value}
		}
		for _, v := range values {
			if message := job.add(input, v); message != "" {
				faults = append(faults, schema.Fault{Param: name, Message: message})
			}
		}
	}
	return sdk.InvalidInputs(faults)
}

// add takes one input's value from JSON; the message says what is wrong with it.
func (j *Job) add(input sdk.Input, value any) string {
	text, ok := value.(string)
	switch {
	case value == nil:
		return ""
	case !ok:
		return "must be a string, or an array of strings"
	case input.Kind == sdk.TextInput:
		j.Texts[input.Name] = append(j.Texts[input.Name], text)
		return ""
	}
	if strings.HasPrefix(text, "data:") {
		_, text, _ = strings.Cut(text, ",")
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "is not base64"
	}
	j.Images[input.Name] = append(j.Images[input.Name], data)
	return ""
}

// maxPart bounds a text field of a multipart body, like a text input.
const maxPart = 4 * sdk.DefaultMaxText

// readMultipart reads fields as parameters and texts, and files as images.
func readMultipart(r *http.Request, d sdk.Description, job *Job) error {
	reader, err := r.MultipartReader()
	if err != nil {
		return sdk.InvalidInput("", "the multipart body is broken: "+err.Error())
	}
	var faults schema.Faults
	for {
		part, err := reader.NextPart()
		if err == io.EOF {
			return sdk.InvalidInputs(faults)
		} else if err != nil {
			return multipartError(err)
		}
		name := part.FormName()
		input, isInput := d.Input(name)
		limit := int64(maxPart)
		if isInput && input.Kind != sdk.TextInput {
			limit = MaxBody
		}
		data, err := io.ReadAll(io.LimitReader(part, limit+1))
		if err != nil {
			return multipartError(err)
		}
		if message := job.addPart(d, name, data, int(limit)); message != "" {
			faults = append(faults, schema.Fault{Param: name, Message: message})
		}
	}
}

func multipartError(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return sdk.InvalidInput("", "the multipart body is broken: "+err.Error())
}

func (j *Job) addPart(d sdk.Description, name string, data []byte, limit int) string {
	input, isInput := d.Input(name)
	p, isParameter := d.Parameters.Lookup(name)
	switch {
	case len(data) > limit && (isInput || isParameter):
		return fmt.Sprintf("has more than %d bytes", limit)
	case isInput && input.Kind == sdk.TextInput:
		j.Texts[name] = append(j.Texts[name], string(data))
	case isInput:
		j.Images[name] = append(j.Images[name], data)
	default:
		j.Parameters[name] = p.Parse(string(data[:min(len(data), limit)])) // CheckRequest reports an unknown one
	}
	return ""
}
