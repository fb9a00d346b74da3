package validator

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/vision19/vision/sdk"
	"github.com/vision19/vision/sdk/imaging"
)

const anySize = MaxPicturePixels

func open(t *testing.T, folder string, limits PoolLimits) *Pool {
	t.Helper()
	p, err := OpenPool(folder, limits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func add(t *testing.T, p *Pool, pictures ...sdk.Image) {
	t.Helper()
	for _, picture := range pictures {
		if err := p.Add(picture); err != nil {
			t.Fatal(err)
		}
	}
}

// wantPictures draws until each wanted picture has almost surely come, and no other may.
func wantPictures(t *testing.T, p *Pool, want ...sdk.Image) {
	t.Helper()
	seen, rng := map[string]bool{}, newRand()
	for range 100 * max(1, len(want)) {
		got, err := p.Picture(t.Context(), rng, anySize)
		if errors.Is(err, ErrEmpty) && len(want) == 0 {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		seen[string(got.Data)] = true
	}
	for i, w := range want {
		if !seen[string(w.Data)] {
			t.Errorf("picture %d of %d is not drawn", i, len(want))
		}
		delete(seen, string(w.Data))
	}
	if len(seen) > 0 {
		t.Errorf("%d other pictures are drawn", len(seen))
	}
}

func fileOf(p *Pool, picture sdk.Image) string { return p.path(fileName(picture.Data)) }

// makeOlder sets how many hours before the first a file was written, since a test writes all in the same moment.
func makeOlder(t *testing.T, path string, hours int) {
	t.Helper()
	when := time.Date(2024, 1, 30, 12, 0, 0, 0, time.UTC).Add(-time.Duration(hours) * time.Hour)
	if err := os.Chtimes(path, when, when); err != nil {
		t.Fatal(err)
	}
}

func exists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

func TestPool_gives_what_was_added_also_after_a_restart(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "state", "pool")
	p := open(t, folder, PoolLimits{})
	wantPictures(t, p)
	want := sdk.Image{MediaType: "image/jpeg", Width: 40, Height: 24, Data: jpegOf(t, 40, 24)}
	add(t, p, sdk.Image{MediaType: "image/png", Width: 1, Data: want.Data}) // what it says of itself is not asked
	add(t, p, want)
	for range 2 {
		got, err := p.Picture(t.Context(), newRand(), anySize)
		if err != nil || got.MediaType != want.MediaType || got.Width != 40 || got.Height != 24 || !bytes.Equal(got.Data, want.Data) {
			t.Fatalf("got %s of %d x %d, %v", got.MediaType, got.Width, got.Height, err)
		}
		if len(p.entries) != 1 {
			t.Fatalf("the same picture is there %d times", len(p.entries))
		}
		p = open(t, folder, PoolLimits{})
	}
}

func TestPool_refuses_what_is_no_picture_within_its_limits(t *testing.T) {
	good := pngOf(t, 64, 64, 1)
	p := open(t, t.TempDir(), PoolLimits{Bytes: int64(len(good.Data))})
	add(t, p, good)
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"nothing":            {nil, imaging.ErrFormat},
		"text":               {[]byte("<html>"), imaging.ErrFormat},
		"truncated":          {good.Data[:len(good.Data)-20], imaging.ErrBroken},
		"too many pixels":    {pngOf(t, 2049, 2048, 1).Data, imaging.ErrTooLarge},
		"too many bytes":     {make([]byte, MaxPictureBytes+1), ErrTooManyBytes},
		"more than the pool": {jpegOf(t, 640, 640), ErrTooManyBytes},
	} {
		if err := p.Add(sdk.Image{MediaType: "image/png", Width: 64, Height: 64, Data: c.data}); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	wantPictures(t, p, good)
}

func TestPool_removes_the_oldest_when_it_is_full(t *testing.T) {
	var pictures []sdk.Image
	for i := range 6 {
		pictures = append(pictures, pngOf(t, 64, 64, byte(i)))
	}
	size := int64(len(pictures[0].Data))
	for name, limits := range map[string]PoolLimits{
		"pictures": {Pictures: 3},
		"bytes":    {Bytes: 3*size + size/2},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			p := open(t, folder, limits)
			add(t, p, pictures[:5]...)
			wantPictures(t, p, pictures[2:5]...)
			for i := 2; i < 5; i++ {
				makeOlder(t, fileOf(p, pictures[i]), 5-i)
			}
			p = open(t, folder, limits)
			wantPictures(t, p, pictures[2:5]...)
			add(t, p, pictures[5])
			wantPictures(t, p, pictures[3:6]...)
			if files, err := os.ReadDir(folder); err != nil || len(files) != 3 {
				t.Errorf("%d files are left, %v", len(files), err)
			}
		})
	}
}

func TestPool_keeps_the_newest_when_it_opens_with_smaller_limits(t *testing.T) {
	folder := t.TempDir()
	p := open(t, folder, PoolLimits{})
	a, b, c := pngOf(t, 64, 64, 1), pngOf(t, 64, 64, 2), pngOf(t, 64, 64, 3)
	add(t, p, a, b, c)
	makeOlder(t, fileOf(p, a), 1)
	makeOlder(t, fileOf(p, b), 3)
	makeOlder(t, fileOf(p, c), 2)
	wantPictures(t, open(t, folder, PoolLimits{Pictures: 2}), a, c)
	if exists(t, fileOf(p, b)) {
		t.Error("the file of the oldest is left")
	}
	wantPictures(t, open(t, folder, PoolLimits{Bytes: int64(len(a.Data))}), a)
}

// The statistic is Pearson's chi square of 8 equal classes: above 24.3 with a probability of 0.001.
func TestPool_draws_every_fitting_picture_equally_often(t *testing.T) {
	p := open(t, t.TempDir(), PoolLimits{})
	for i := range 8 {
		add(t, p, pngOf(t, 16, 16, byte(i)), pngOf(t, 17, 16, byte(i)))
	}
	const draws = 8000
	count, rng := map[string]int{}, newRand()
	for range draws {
		got, err := p.Picture(t.Context(), rng, 16*16)
		if err != nil || got.Width != 16 {
			t.Fatalf("got width %d, %v", got.Width, err)
		}
		count[string(got.Data)]++
	}
	sum := 0.0
	for _, n := range count {
		d := float64(n) - draws/8
		sum += d * d / (draws / 8)
	}
	if len(count) != 8 || sum > 24.3 {
		t.Errorf("%d pictures drawn %v times, chi square %.1f", len(count), count, sum)
	}
}

func TestPool_gives_nothing_above_the_pixels_asked_for(t *testing.T) {
	p := open(t, t.TempDir(), PoolLimits{})
	add(t, p, pngOf(t, 20, 10, 1))
	for pixels, fits := range map[int]bool{-1: false, 0: false, 199: false, 200: true} {
		if _, err := p.Picture(t.Context(), newRand(), pixels); (err == nil) != fits || err != nil && !errors.Is(err, ErrEmpty) {
			t.Errorf("%d pixels: %v", pixels, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Picture(ctx, newRand(), anySize); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the end of the context", err)
	}
}

func TestPool_opens_without_what_a_crash_or_a_stranger_left(t *testing.T) {
	folder := t.TempDir()
	p := open(t, folder, PoolLimits{})
	good, torn, changed := pngOf(t, 64, 64, 1), pngOf(t, 64, 64, 2), pngOf(t, 64, 64, 3)
	text := []byte("no picture")
	write := func(path string, data []byte) string {
		t.Helper()
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	add(t, p, good, torn, changed)
	makeOlder(t, fileOf(p, good), 1) // what is newer and damaged does not take its room
	gone := []string{
		write(p.path(".new-123.picture"), good.Data[:50]),
		write(fileOf(p, torn), torn.Data[:len(torn.Data)/2]),
		write(fileOf(p, changed), good.Data),
		write(p.path(fileName(nil)), nil),
		write(p.path(fileName(text)), text),
		write(p.path(fileName([]byte("large"))), make([]byte, MaxPictureBytes+1)),
	}
	kept := []string{
		fileOf(p, good),
		write(p.path("notes.txt"), text),
		write(p.path("cat.png"), good.Data),
		write(p.path(fileName(text)[:64]), text), // as other stores name their files
		write(p.path(".new-123"), text),
	}
	if err := os.Mkdir(p.path(fileName([]byte("folder"))), 0o700); err != nil {
		t.Fatal(err)
	}
	wantPictures(t, open(t, folder, PoolLimits{Pictures: 1}), good)
	for _, path := range gone {
		if exists(t, path) {
			t.Errorf("%s is left", filepath.Base(path))
		}
	}
	for _, path := range append(kept, p.path(fileName([]byte("folder")))) {
		if !exists(t, path) {
			t.Errorf("%s has gone", filepath.Base(path))
		}
	}
}

func TestPool_draws_another_when_a_file_is_damaged_while_it_runs(t *testing.T) {
	p := open(t, t.TempDir(), PoolLimits{})
	good, torn, lost := pngOf(t, 64, 64, 1), pngOf(t, 64, 64, 2), pngOf(t, 64, 64, 3)
	add(t, p, good, torn, lost)
	if err := errors.Join(os.Truncate(fileOf(p, torn), 30), os.Remove(fileOf(p, lost))); err != nil {
		t.Fatal(err)
	}
	wantPictures(t, p, good)
	if exists(t, fileOf(p, torn)) || p.bytes != int64(len(good.Data)) {
		t.Errorf("the damaged file still counts: %d bytes", p.bytes)
	}
	add(t, p, torn)
	wantPictures(t, p, good, torn)
}

func TestPool_leaves_nothing_behind_when_it_cannot_write(t *testing.T) {
	p := open(t, t.TempDir(), PoolLimits{})
	picture := pngOf(t, 64, 64, 1)
	if err := os.Mkdir(fileOf(p, picture), 0o700); err != nil { // no file can be renamed to it
		t.Fatal(err)
	}
	if err := p.Add(picture); err == nil {
		t.Fatal("a picture was added that is not there")
	}
	wantPictures(t, p)
	if files, err := os.ReadDir(p.folder); err != nil || len(files) != 1 {
		t.Errorf("%d files are left, %v", len(files), err)
	}
}

func TestPool_serves_many_at_once(t *testing.T) {
	p := open(t, t.TempDir(), PoolLimits{Pictures: 4})
	add(t, p, pngOf(t, 32, 32, 255))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 8 {
				if err := p.Add(pngOf(t, 32, 32, byte(8*(i/2)+j))); err != nil { // each picture twice
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 0))
			for range 50 {
				if got, err := p.Picture(t.Context(), rng, anySize); err != nil || got.Width != 32 {
					t.Errorf("got width %d, %v", got.Width, err)
				}
			}
		})
	}
	wg.Wait()
	if files, err := os.ReadDir(p.folder); err != nil || len(files) != 4 || len(p.entries) != 4 {
		t.Errorf("%d files for %d entries, %v", len(files), len(p.entries), err)
	}
}
