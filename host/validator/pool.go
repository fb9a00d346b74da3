package validator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"github.com/vision19/vision/sdk"
)

// PoolLimits bound a pool. A field that is not above 0 has its default.
type PoolLimits struct {
	Pictures int   // 256: each comes back seldom enough, and opening reads them all within a second or so
	Bytes    int64 // 256 MiB: as many PNGs of 1 MiB
}

// Pool keeps the newest of earlier results in a folder and gives one at random. What goes in is sent to miners later on: a customer's picture does
// not belong here.
//
// A picture is the file named by its SHA-256. It is complete or not there, whenever the machine stops. The pool survives a restart; a picture's age
// is that of its file. Files that have other names are left alone. One process at a time has the folder; within it the methods may be called from any goroutine.
type Pool struct {
	folder string
	limits PoolLimits

	adding sync.Mutex // one picture is decoded and written at a time

	mu      sync.Mutex
	entries []*entry // oldest first
	bytes   int64
}

// entry is one picture. A file is placed and removed together with its entry, under the lock.
type entry struct {
	name   string // of the file
	size   int64
	pixels int
}

const partial = ".new-*.picture" // what is being written

var (
	whole = regexp.MustCompile(`^[0-9a-f]{64}\.picture$`)

	errDamaged = errors.New("not what was written")
)

// OpenPool makes the folder if there is none and reads what is in it. Of the pool's own files it removes what a crash left half written, what is
// damaged or too large, and the oldest beyond the limits. The error is the file system's.
func OpenPool(folder string, limits PoolLimits) (*Pool, error) {
	if limits.Pictures <= 0 {
		limits.Pictures = 256
	}
	if limits.Bytes <= 0 {
		limits.Bytes = 256 << 20
	}
	p := &Pool{folder: folder, limits: limits}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("open the pool of pictures: %w", err)
	}
	if err := p.scan(); err != nil {
		return nil, fmt.Errorf("open the pool of pictures: %w", err)
	}
	return p, nil
}

// scan reads from the newest file on, so that little more than the limits is read.
func (p *Pool) scan() error {
	files, err := p.files()
	if err != nil {
		return err
	}
	room := true
	for _, f := range files {
		var picture sdk.Image
		err := errDamaged
		if room {
			picture, err = p.read(f.Name())
		}
		if err != nil && !errors.Is(err, errDamaged) {
			return err
		}
		size := int64(len(picture.Data))
		room = room && len(p.entries) < p.limits.Pictures && p.bytes+size <= p.limits.Bytes
		if err == nil && room {
			p.entries = append(p.entries, &entry{f.Name(), size, picture.Width * picture.Height})
			p.bytes += size
		} else if err := os.Remove(p.path(f.Name())); err != nil {
			return err
		}
	}
	slices.Reverse(p.entries)
	return nil
}

// files lists the pool's own files, the newest first. What is half written or too large it removes.
func (p *Pool) files() ([]fs.FileInfo, error) {
	found, err := os.ReadDir(p.folder)
	if err != nil {
		return nil, err
	}
	var files []fs.FileInfo
	for _, f := range found {
		half, _ := filepath.Match(partial, f.Name())
		if !f.Type().IsRegular() || !half && !whole.MatchString(f.Name()) {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return nil, err
		}
		if !half && info.Size() <= MaxPictureBytes {
			files = append(files, info)
		} else if err := os.Remove(p.path(f.Name())); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), cmp.Compare(a.Name(), b.Name()))
	})
	return files, nil
}

// Add puts a picture in, on the disk when Add returns, and removes the oldest where there is no room. Only its data is looked at; one that is there
// already stays as it is. The errors are those of imaging.Read, ErrTooManyBytes, and the file system's.
func (p *Pool) Add(picture sdk.Image) error {
	p.adding.Lock()
	defer p.adding.Unlock()
	checked, err := check(picture.Data, MaxPicturePixels)
	if err != nil {
		return fmt.Errorf("add to the pool: %w", err)
	}
	e := &entry{fileName(checked.Data), int64(len(checked.Data)), checked.Width * checked.Height}
	if e.size > p.limits.Bytes {
		return fmt.Errorf("add to the pool: %w: %d, and the whole pool may have %d", ErrTooManyBytes, e.size, p.limits.Bytes)
	}
	if p.has(e.name) {
		return nil
	}
	if err := p.write(e, checked.Data); err != nil {
		return fmt.Errorf("add to the pool: %w", err)
	}
	return nil
}

func (p *Pool) has(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.entries, func(e *entry) bool { return e.name == name })
}

// write lets the name appear only when all bytes are on the disk, and returns when the name is too.
func (p *Pool) write(e *entry, data []byte) error {
	out, err := os.CreateTemp(p.folder, partial) // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(out.Name()) // gone already when all is well
	_, err = out.Write(data)
	if err := errors.Join(err, out.Sync(), out.Close()); err != nil {
		return err
	}
	if err := p.place(out.Name(), e); err != nil {
		return err
	}
	folder, err := os.Open(p.folder)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// place makes room before it takes it, so that the limits always hold.
func (p *Pool) place(temporary string, e *entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.entries) > 0 && (len(p.entries) >= p.limits.Pictures || p.bytes+e.size > p.limits.Bytes) {
		if err := p.remove(0); err != nil {
			return err
		}
	}
	if err := os.Rename(temporary, p.path(e.name)); err != nil {
		return err
	}
	p.entries = append(p.entries, e)
	p.bytes += e.size
	return nil
}

// Picture implements synth.Source: every picture of at most maxPixels is equally likely. The error is ErrEmpty, the end of ctx, or the file
// system's. A file that has been damaged since is removed, and another one drawn.
func (p *Pool) Picture(ctx context.Context, rng *rand.Rand, maxPixels int) (sdk.Image, error) {
	for {
		if err := ctx.Err(); err != nil {
			return sdk.Image{}, fmt.Errorf("draw from the pool: %w", err)
		}
		e := p.draw(rng, maxPixels)
		if e == nil {
			return sdk.Image{}, ErrEmpty
		}
		picture, err := p.read(e.name)
		if err == nil {
			return picture, nil
		}
		if errors.Is(err, errDamaged) {
			err = p.drop(e)
		}
		if err != nil {
			return sdk.Image{}, fmt.Errorf("draw from the pool: %w", err)
		}
	}
}

func (p *Pool) draw(rng *rand.Rand, maxPixels int) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	var fit []*entry
	for _, e := range p.entries {
		if e.pixels <= maxPixels {
			fit = append(fit, e)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[rng.IntN(len(fit))]
}

// drop removes a picture if it is still the one that was drawn: it may have gone since, and been added again.
func (p *Pool) drop(e *entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.entries, e); i >= 0 {
		return p.remove(i)
	}
	return nil
}

// remove is called with the lock held.
func (p *Pool) remove(i int) error {
	if err := os.Remove(p.path(p.entries[i].name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	p.bytes -= p.entries[i].size
	p.entries = slices.Delete(p.entries, i, i+1)
	return nil
}

// read gives errDamaged for a file that is not, or no longer, what its name says. Its pixels need no decoding: Add has done that before it gave
// the name.
func (p *Pool) read(name string) (sdk.Image, error) {
	f, err := os.Open(p.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return sdk.Image{}, errDamaged
	} else if err != nil {
		return sdk.Image{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxPictureBytes+1))
	if err != nil {
		return sdk.Image{}, err
	}
	picture, err := inspect(data)
	if err != nil || fileName(data) != name {
		return sdk.Image{}, errDamaged
	}
	return picture, nil
}

func fileName(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) + ".picture"
}

func (p *Pool) path(name string) string { return filepath.Join(p.folder, name) }
