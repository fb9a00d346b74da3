// Command eval paints the held-out captions with the shipped plugins and checks what is to be seen in the pictures. `make eval` runs it
// from the repository's root; it writes bin/eval/eval.json and a contact sheet.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/vision19/vision/host"
	"github.com/vision19/vision/host/api"
	"github.com/vision19/vision/host/config"
)

//go:embed heldout.json
var heldout []byte

// caption is one held-out caption and what must be seen.
type caption struct {
	Prompt, Shape, Colour, Background, Size, Position string
}

// row is one line of the report, in the form of the bench's.
type row struct {
	Name  string   `json:"name"`
	Value float64  `json:"value"`
	Unit  string   `json:"unit"`
	Bar   *float64 `json:"bar"`
	Holds bool     `json:"holds"`
	Peer  string   `json:"peer"`
	Seeds string   `json:"seeds"`
}

const out = "bin/eval"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "eval:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var captions []caption
	if err := json.Unmarshal(heldout, &captions); err != nil {
		return err
	}
	c, diags := config.Load(config.DefaultFile)
	if diags.HasErrors() {
		return diags
	}
	h, diags := host.New(ctx, c, host.Options{StateDir: filepath.Join(out, "state")})
	if diags.HasErrors() {
		return diags
	}
	defer h.Close(context.WithoutCancel(ctx))
	if err := h.StartOnly("text-to-image"); err != nil {
		return err
	}
	if err := h.AwaitReady(ctx); err != nil {
		return err
	}
	tally, sheet, err := paint(ctx, h, captions)
	if err != nil {
		return err
	}
	return report(tally, sheet, len(captions))
}

// columns is how many pictures stand side by side on the contact sheet.
const columns = 16

// paint paints every caption, its number being the seed, and counts what is right.
func paint(ctx context.Context, h *host.Host, captions []caption) (map[string]int, image.Image, error) {
	tally := map[string]int{}
	var sheet *image.NRGBA
	for seed, c := range captions {
		answer, err := h.Do(ctx, api.Job{
			Target: "text-to-image", Texts: map[string][]string{"prompt": {c.Prompt}}, Parameters: map[string]any{"seed": seed},
		}, api.Events{})
		if err != nil {
			return nil, nil, err
		}
		img, err := png.Decode(bytes.NewReader(answer.Result.Images[0].Data))
		if err != nil {
			return nil, nil, err
		}
		size := img.Bounds().Size()
		if sheet == nil {
			sheet = image.NewNRGBA(image.Rect(0, 0, columns*size.X, (len(captions)+columns-1)/columns*size.Y))
		}
		at := image.Pt(seed%columns*size.X, seed/columns*size.Y)
		draw.Draw(sheet, image.Rectangle{Min: at, Max: at.Add(size)}, img, image.Point{}, draw.Src)
		got := look(img)
		for name, right := range map[string]bool{
			"t2i_object_colour": got.colour == c.Colour, "t2i_background_colour": got.background == c.Background, "t2i_shape": got.shape == c.Shape,
			"t2i_size": sizeName(got.size) == c.Size, "t2i_position": positionName(got.x, got.y) == c.Position,
			"t2i_shape_" + c.Shape: got.shape == c.Shape,
		} {
			tally[name+"/all"]++
			if right {
				tally[name]++
			}
		}
		if (seed+1)%32 == 0 {
			fmt.Fprintf(os.Stderr, "eval: text-to-image %d of %d\n", seed+1, len(captions))
		}
	}
	return tally, sheet, nil
}

// sizeName cuts between the sizes of the captions' world: 22 to 27, 37 to 43 and 55 to 63 % of the side.
func sizeName(size float64) string {
	switch {
	case size < 0.32:
		return "small"
	case size < 0.50:
		return "medium"
	}
	return "large"
}

// positionName cuts the picture in nine; a large object cannot go far from the middle.
func positionName(x, y float64) string {
	third := func(v float64, low, high string) string {
		switch {
		case v < 0.42:
			return low
		case v > 0.58:
			return high
		}
		return ""
	}
	column, line := third(x, "left", "right"), third(y, "top", "bottom")
	switch {
	case column == "" && line == "":
		return "centre"
	case column == "":
		return line
	case line == "":
		return column
	}
	return line + " " + column
}

// bars are what the shipped model must reach.
var bars = map[string]float64{"t2i_object_colour": 0.97, "t2i_background_colour": 0.97, "t2i_shape": 0.85}

func report(tally map[string]int, sheet image.Image, n int) error {
	names := []string{"t2i_object_colour", "t2i_background_colour", "t2i_shape", "t2i_size", "t2i_position"}
	for _, shape := range []string{"circle", "square", "triangle", "star", "ring", "heart", "cross", "diamond"} {
		names = append(names, "t2i_shape_"+shape)
	}
	var rows []row
	failed := false
	fmt.Printf("%-24s %7s %7s\n", "ROW", "RIGHT", "BAR")
	for _, name := range names {
		r := row{Name: name, Value: float64(tally[name]) / float64(max(tally[name+"/all"], 1)), Unit: "share", Holds: true, Seeds: fmt.Sprintf("0..%d", n-1)}
		text := "-"
		if bar, ok := bars[name]; ok {
			r.Bar, r.Holds, text = &bar, r.Value >= bar, fmt.Sprintf("%.3f", bar)
		}
		failed = failed || !r.Holds
		fmt.Printf("%-24s %7.3f %7s\n", name, r.Value, text)
		rows = append(rows, r)
	}
	data, err := json.MarshalIndent(rows, "", " ")
	if err != nil {
		return err
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, sheet); err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(out+"/eval.json", data, 0o644), os.WriteFile(out+"/text-to-image.png", picture.Bytes(), 0o644)); err != nil {
		return err
	}
	fmt.Printf("contact sheet: %s/text-to-image.png\n", out)
	if failed {
		return errors.New("a bar is not reached")
	}
	return nil
}
