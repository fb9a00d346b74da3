package api

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/schema"
)

func description() sdk.Description {
	return sdk.Description{
		Endpoint:   "test",
		Inputs:     []sdk.Input{{Name: "prompt", Kind: sdk.TextInput}, {Name: "image", Kind: sdk.ImageInput, MaxCount: 4}},
		Parameters: schema.Schema{{Name: "steps", Type: schema.Int}},
	}
}

func read(kind, body string) (Job, error) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", kind)
	return readJob(httptest.NewRecorder(), r, "test", description())
}

func TestReadJob_sorts_members_by_the_description(t *testing.T) {
	job, err := read("application/json", `{"prompt":"hi","image":["AAEC","data:image/png;base64,AwQ="],"steps":3,"other":null}`)
	if err != nil {
		t.Fatal(err)
	}
	if job.Texts["prompt"][0] != "hi" || len(job.Images["image"]) != 2 || !bytes.Equal(job.Images["image"][1], []byte{3, 4}) || len(job.Parameters) != 2 {
		t.Errorf("%+v", job)
	}
}

func TestReadJob_says_what_is_wrong(t *testing.T) {
	for name, c := range map[string]struct{ kind, body, want string }{
		"kind":        {"text/plain", "hi", "application/json"},
		"no kind":     {"", "hi", "application/json"},
		"no object":   {"application/json", "[1]", "no JSON object"},
		"more":        {"application/json", "{} x", "follows"},
		"no base64":   {"application/json", `{"image":"%"}`, "image is not base64"},
		"no string":   {"application/json", `{"prompt":7}`, "prompt must be a string"},
		"no boundary": {"multipart/form-data", "x", "multipart"},
		"cut":         {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nhi", "multipart"},
	} {
		if _, err := read(c.kind, c.body); !errors.Is(err, sdk.ErrInvalidInput) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestDeadline_is_asked_for_with_Prefer(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": DefaultDeadline, "wait=5": 5 * time.Second, "respond-async, wait=7": 7 * time.Second,
		"wait=86400": MaxDeadline, "wait=99999999999": MaxDeadline, "wait=-1": DefaultDeadline, "wait=x": DefaultDeadline,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Prefer", header)
		if got := deadline(r); got != want {
			t.Errorf("%q is %s, want %s", header, got, want)
		}
	}
}

func FuzzReadJob(f *testing.F) {
	f.Add("application/json", `{"prompt":"hi","image":["AAEC"],"steps":3}`)
	f.Add("application/json", `{"prompt":[[]],"image":{"a":1}}`)
	f.Add("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nhi\r\n--b--\r\n")
	f.Fuzz(func(t *testing.T, kind, body string) {
		job, err := read(kind, body)
		if err == nil && (job.Texts == nil || job.Parameters == nil) {
			t.Errorf("%+v", job)
		}
	})
}
