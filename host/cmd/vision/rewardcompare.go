package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/reward/compare"
	"github.com/vision19/vision/reward/gbdt"
	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

// comparison is what `reward compare` was asked.
type comparison struct {
	kind  string
	model string
	store string
	mask  string
	tau   float64
}

func (a *app) rewardCompareCommand() *cobra.Command {
	var ask comparison
	c := a.jsonFlag(&cobra.Command{
		Use:   "compare A.png B.png",
		Short: "Tell whether two pictures come from the same parameters",
		Long: "Compares two pictures as a validator compares the answers of two miners, but without CLIP embeddings. The shipped model of the kind decides:\n" +
			"image for endpoints that draw a seed, strict for those that do not, such as upscale. --store takes the model in use of a validator's store,\n" +
			"--model any, in XGBoost's JSON. Of answers to a request with a mask, name it (--mask): where little is painted, less noise is honest.",
		Args: exactArgs(2, "A.png B.png"),
		RunE: func(_ *cobra.Command, args []string) error {
			m, err := ask.load()
			if err != nil {
				return &usageError{err}
			}
			var pictures [2]*compare.Picture
			for i, path := range args {
				if pictures[i], err = readPicture(path); err != nil {
					return &usageError{fmt.Errorf("%s: %w", path, err)}
				}
			}
			painted, err := ask.painted(pictures[0])
			if err != nil {
				return &usageError{err}
			}
			v, err := m.Compare(pictures[0], pictures[1], painted)
			if err != nil {
				return err
			}
			if a.json {
				return printJSON(os.Stdout, map[string]any{"p_same": v.Probability, "same": v.Same, "features": v.Features, "model": m.Card().Name, "tau": m.Card().Tau})
			}
			return printVerdict(m.Card(), v)
		},
	})
	flags := c.Flags()
	flags.StringVar(&ask.kind, "kind", string(compare.Image), "`KIND` of endpoint: image or strict")
	flags.StringVar(&ask.model, "model", "", "another model's `FILE`")
	storeFlag(c, &ask.store)
	flags.StringVar(&ask.mask, "mask", "", "the request's mask, a picture's `FILE`; white was to be painted (default all of it was)")
	flags.Float64Var(&ask.tau, "tau", 0, "`PROBABILITY` from which two are the same (default the model's own; 0.5 with --model)")
	return c
}

// load is the model that was asked for.
func (q comparison) load() (*compare.Model, error) {
	if q.tau < 0 || q.tau >= 1 {
		return nil, fmt.Errorf("--tau is %g, it must lie between 0 and 1", q.tau)
	}
	if q.model != "" && q.store != "" {
		return nil, errors.New("--model and --store both name a model")
	}
	if q.model == "" {
		m, err := q.current()
		if err != nil || q.tau == 0 {
			return m, err
		}
		return m.WithTau(q.tau), nil
	}
	data, err := readAtMost(q.model, gbdt.MaxBytes)
	if err != nil {
		return nil, err
	}
	tau := q.tau
	if tau == 0 {
		tau = 0.5
	}
	m, err := compare.NewModel(data, compare.Card{Name: q.model, Kind: compare.Kind(q.kind), Tau: tau})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", q.model, err)
	}
	return m, nil
}

// current is the model in use of the store, or without one the shipped model.
func (q comparison) current() (*compare.Model, error) {
	if q.store == "" {
		return compare.Shipped(compare.Kind(q.kind))
	}
	s, err := openStore(q.store)
	if err != nil {
		return nil, err
	}
	m, _, err := s.Current(compare.Kind(q.kind))
	return m, err
}

// painted is the share of a picture that was to be painted.
func (q comparison) painted(picture *compare.Picture) (float64, error) {
	if q.mask == "" {
		return 1, nil
	}
	data, err := readAtMost(q.mask, 4*sdk.DefaultMaxOutput)
	if err != nil {
		return 0, err
	}
	mask, err := imaging.Read(data, compare.MaxPixels)
	if err != nil {
		return 0, fmt.Errorf("%s: the mask is %w", q.mask, err)
	}
	if w, h := picture.Size(); mask.Width != w || mask.Height != h {
		return 0, fmt.Errorf("%s: the mask has %d x %d px, the first picture %d x %d", q.mask, mask.Width, mask.Height, w, h)
	}
	return compare.Marked(mask), nil
}

// readPicture reads a file of at most what a result of an endpoint may have.
func readPicture(path string) (*compare.Picture, error) {
	data, err := readAtMost(path, 4*sdk.DefaultMaxOutput)
	if err != nil {
		return nil, err
	}
	return compare.ReadPicture(data, nil)
}

// readAtMost reads a file, and a byte more than limit of one that is larger: its decoder says what is wrong.
func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit+1))
}

func printVerdict(card compare.Card, v compare.Verdict) error {
	verdict := "different"
	if v.Same {
		verdict = "the same"
	}
	fmt.Printf("%s: the probability of the same parameters is %.6f, %s counts as the same from %.6f on\n\n", verdict, v.Probability, card.Name, card.Tau)
	if len(v.Features) == 0 {
		fmt.Println("the pictures differ in size")
		return nil
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FEATURE\tVALUE")
	for _, name := range compare.Names() {
		if x, known := v.Features[name]; known {
			fmt.Fprintf(w, "%s\t%.4g\n", name, x)
		}
	}
	return w.Flush()
}
