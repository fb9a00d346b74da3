package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/synth"
)

// maxSynthetic bounds how many requests one call makes: what a validator asks in a day.
const maxSynthetic = 10_000

// synthesis is what `vision synth` was asked.
type synthesis struct {
	seed   uint64
	count  int
	out    string
	corpus string
}

// syntheticRequest is one made-up request, as JSON.
type syntheticRequest struct {
	Texts      map[string][]string         `json:"texts"`
	Images     map[string][]syntheticImage `json:"images"`
	Parameters map[string]any              `json:"parameters"`
	Body       string                      `json:"body,omitempty"` // with --out: the file to POST
}

// syntheticImage stands for a picture of a made-up request.
type syntheticImage struct {
	File   string `json:"file,omitempty"` // with --out
	Width  int    `json:"width"`
	Height int    `json:"height"`
	SHA256 string `json:"sha256"`
}

func (a *app) synthCommand() *cobra.Command {
	s := &synthesis{}
	c := a.jsonFlag(&cobra.Command{
		Use:   "synth PLUGIN",
		Short: "Show the requests that a validator makes up for a plugin: a name from the configuration, or a binary's path",
		Long: "Makes requests up from the plugin's description alone, with procedural pictures. The same seed gives the same requests. With --out\n" +
			"they can be posted: curl -H 'Content-Type: application/json' -d @DIR/001.json http://127.0.0.1:8080/api/v1/PLUGIN",
		Args: exactArgs(1, "PLUGIN"),
		RunE: func(c *cobra.Command, args []string) error { return a.synthesise(c, args[0], s) },
	})
	flags := c.Flags()
	flags.Uint64Var(&s.seed, "seed", 1, "`N` that makes the requests repeatable")
	flags.IntVar(&s.count, "count", 1, "how many, `K`")
	flags.StringVar(&s.out, "out", "", "`DIR` for the pictures and the bodies to post")
	flags.StringVar(&s.corpus, "corpus", "", "`FILE` with a caption a line, in place of the bundled ones")
	return c
}

func (a *app) synthesise(c *cobra.Command, target string, s *synthesis) error {
	if s.count < 1 || s.count > maxSynthetic {
		return &usageError{fmt.Errorf("--count %d: from 1 to %d", s.count, maxSynthetic)}
	}
	generator, err := s.generator()
	if err != nil {
		return err
	}
	log, err := a.logger(silent)
	if err != nil {
		return err
	}
	d, err := a.describe(c, target, log)
	if err != nil {
		return err
	}
	if s.out != "" {
		if err := os.MkdirAll(s.out, 0o755); err != nil {
			return &usageError{fmt.Errorf("--out: %w", err)}
		}
	}
	rng := rand.New(rand.NewPCG(s.seed, 0))
	var all []syntheticRequest
	for n := range s.count {
		r, err := generator.Request(c.Context(), d, rng)
		if err != nil {
			return err
		}
		shown, err := s.show(d, r, n+1)
		if err != nil {
			return err
		}
		all = append(all, shown)
	}
	if a.json {
		return printJSON(os.Stdout, map[string]any{"endpoint": d.Endpoint, "seed": s.seed, "requests": all})
	}
	for i, r := range all {
		if i > 0 {
			fmt.Println()
		}
		printSynthetic(r)
	}
	return nil
}

func (s *synthesis) generator() (synth.Generator, error) {
	if s.corpus == "" {
		return synth.Generator{}, nil
	}
	file, err := os.Open(s.corpus)
	if err != nil {
		return synth.Generator{}, &usageError{fmt.Errorf("--corpus: %w", err)}
	}
	defer file.Close()
	corpus, err := synth.ReadCorpus(io.LimitReader(file, synth.MaxCorpus+1))
	if err != nil {
		return synth.Generator{}, &usageError{fmt.Errorf("--corpus %s: %w", s.corpus, err)}
	}
	return synth.Generator{Corpus: corpus}, nil
}

// show makes what is printed of a request, and writes its files if there is a folder for them.
func (s *synthesis) show(d sdk.Description, r sdk.Request, number int) (syntheticRequest, error) {
	out := syntheticRequest{Texts: r.Texts, Images: map[string][]syntheticImage{}, Parameters: r.Values}
	body := map[string]any(maps.Clone(r.Values))
	for _, in := range d.Inputs {
		var values []string
		values = append(values, r.Texts[in.Name]...)
		for i, image := range r.Images[in.Name] {
			sum := sha256.Sum256(image.Data)
			shown := syntheticImage{Width: image.Width, Height: image.Height, SHA256: hex.EncodeToString(sum[:])}
			if s.out != "" {
				extension := strings.TrimPrefix(image.MediaType, "image/")
				shown.File = filepath.Join(s.out, fmt.Sprintf("%03d-%s-%d.%s", number, in.Name, i+1, extension))
				if err := os.WriteFile(shown.File, image.Data, 0o644); err != nil {
					return out, err
				}
				values = append(values, base64.StdEncoding.EncodeToString(image.Data))
			}
			out.Images[in.Name] = append(out.Images[in.Name], shown)
		}
		switch {
		case len(values) == 1:
			body[in.Name] = values[0]
		case len(values) > 1:
			body[in.Name] = values
		}
	}
	if s.out == "" {
		return out, nil
	}
	data, err := json.MarshalIndent(body, "", " ")
	if err != nil {
		return out, err
	}
	out.Body = filepath.Join(s.out, fmt.Sprintf("%03d.json", number))
	return out, os.WriteFile(out.Body, data, 0o644)
}

func printSynthetic(r syntheticRequest) {
	for _, name := range slices.Sorted(maps.Keys(r.Texts)) {
		for _, text := range r.Texts[name] {
			fmt.Printf("%s: %s\n", name, text)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Images)) {
		for _, i := range r.Images[name] {
			fmt.Printf("%s: %d x %d px %s\n", name, i.Width, i.Height, i.File)
		}
	}
	var values []string
	for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
		values = append(values, fmt.Sprintf("%s=%v", name, r.Parameters[name]))
	}
	fmt.Println(strings.Join(values, " "))
	if r.Body != "" {
		fmt.Println(r.Body)
	}
}
