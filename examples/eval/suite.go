package main

import (
	"context"
	"fmt"
	"image"
	"sync"

	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/sdk/imaging"
)

// suite is what is asked of one endpoint, and what is measured.
type suite struct {
	endpoint string
	cases    int
	trial    func(number int) trial // the same trial for the same number, 0 to cases-1
	measures []measure
}

// measure is one row of the report, over the marks of its name.
type measure struct {
	name, unit string
	bar        float64 // what must be reached; 0: nothing
	least      bool    // the row is the least mark, not the mean
	peer       string  // what the model is compared with
}

// share is a measure that counts what is right: each mark is 0 or 1.
func share(name string, bar float64) measure { return measure{name: name, unit: "share", bar: bar} }

// trial is one case: what is asked, and how what comes back is judged.
type trial struct {
	want       scene // what should be seen in the end
	texts      map[string][]string
	images     map[string]imaging.Pixels
	parameters map[string]any
	shown      []imaging.Pixels // stands before the answer on the contact sheet
	size       image.Point      // of the picture that comes back; zero for an endpoint that gives none
	judge      func(answer) marks
}

// marks are a case's results by the name of the measure; a case leaves out what does not concern it.
type marks map[string]float64

// right is a mark of a share.
func right(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// answer is what an endpoint gave.
type answer struct {
	picture    imaging.Pixels // empty when the safety check refused it
	embeddings [][]float32
}

func (a answer) refused() bool { return a.picture.Width == 0 }

// result is a case that was asked and judged.
type result struct {
	trial
	answer
	marks marks
}

// doer is a host.
type doer interface {
	Do(context.Context, api.Job, api.Events) (api.Answer, error)
}

// run asks every case, as many at once as there are workers, and returns the results in the cases' order. done is called after each, one call
// at a time.
func (s suite) run(ctx context.Context, host doer, workers int, done func()) ([]result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out := make([]result, s.cases)
	numbers := make(chan int)
	var group sync.WaitGroup
	var one sync.Mutex
	for range workers {
		group.Go(func() {
			for i := range numbers {
				r, err := s.ask(ctx, host, i)
				if err != nil {
					cancel(fmt.Errorf("%s, case %d: %w", s.endpoint, i, err))
					continue
				}
				out[i] = r
				one.Lock()
				done()
				one.Unlock()
			}
		})
	}
	for i := 0; i < s.cases && ctx.Err() == nil; i++ {
		numbers <- i
	}
	close(numbers)
	group.Wait()
	return out, context.Cause(ctx)
}

// maxPixels bounds the pictures that are read: the largest are 256 x 256.
const maxPixels = 1 << 20

// ask asks one case.
func (s suite) ask(ctx context.Context, host doer, number int) (result, error) {
	r := result{trial: s.trial(number)}
	job := api.Job{Target: s.endpoint, Texts: r.texts, Images: map[string][][]byte{}, Parameters: r.parameters}
	for name, picture := range r.images {
		data, err := picture.PNG()
		if err != nil {
			return r, err
		}
		job.Images[name] = [][]byte{data}
	}
	got, err := host.Do(ctx, job, api.Events{})
	if err != nil {
		return r, err
	}
	r.embeddings = got.Result.Embeddings
	if len(got.Result.Images) > 0 {
		if r.picture, err = imaging.Read(got.Result.Images[0].Data, maxPixels); err != nil {
			return r, err
		}
		if size := image.Pt(r.picture.Width, r.picture.Height); size != r.size {
			return r, fmt.Errorf("the picture is %v px, not %v", size, r.size)
		}
	}
	r.marks = r.judge(r.answer)
	return r, nil
}

// wrong says that a case misses what a bar asks for.
func (s suite) wrong(r result) bool {
	for _, m := range s.measures {
		if mark, ok := r.marks[m.name]; ok && m.bar > 0 && m.unit == "share" && mark < 1 {
			return true
		}
	}
	return false
}
