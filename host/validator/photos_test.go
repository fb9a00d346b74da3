package validator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vision19/vision/sdk/imaging"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// serve gives a source of the handler's photos, and their server's URL.
func serve(t *testing.T, o PhotoOptions, handler http.HandlerFunc) (*Photos, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.URL, o.AllowLoopback = server.URL, true
	p, err := NewPhotos(o)
	if err != nil {
		t.Fatal(err)
	}
	return p, server.URL
}

func send(data []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }
}

func TestPhotos_give_what_came_with_its_real_size(t *testing.T) {
	for mediaType, data := range map[string][]byte{"image/jpeg": jpegOf(t, 90, 60), "image/png": pngOf(t, 90, 60, 7).Data} {
		p, _ := serve(t, PhotoOptions{}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html") // what it says is not asked
			_, _ = w.Write(data)
		})
		got, err := p.Picture(t.Context(), newRand(), anySize)
		if err != nil || got.MediaType != mediaType || got.Width != 90 || got.Height != 60 || !bytes.Equal(got.Data, data) {
			t.Errorf("%s: got %s of %d x %d, %v", mediaType, got.MediaType, got.Width, got.Height, err)
		}
	}
}

func TestPhotos_ask_for_the_size_in_the_path(t *testing.T) {
	var width, height int
	p, _ := serve(t, PhotoOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if n, err := fmt.Sscanf(r.URL.Path, "/photos/%d/%d", &width, &height); n != 2 || r.Method != http.MethodGet {
			t.Errorf("got %s %s, %v", r.Method, r.URL.Path, err)
		}
		_, _ = w.Write(jpegOf(t, width, height))
	})
	p.base = p.base.JoinPath("photos")
	got, err := p.Picture(t.Context(), newRand(), 256*256)
	if err != nil || got.Width != width || got.Height != height {
		t.Errorf("asked for %d x %d, got %d x %d, %v", width, height, got.Width, got.Height, err)
	}
}

func TestPhotos_draw_all_sides_that_fit(t *testing.T) {
	rng := newRand()
	for _, pixels := range []int{1, 2, 3, 64 * 64, 65537, 512 * 512, 1 << 20, maxSide * maxSide, 1 << 40} {
		low, high := 1<<30, 0
		for range 20000 {
			w, h := drawSides(rng, pixels)
			if w < 1 || h < 1 || w > maxSide || h > maxSide || w*h > pixels {
				t.Fatalf("%d pixels: drew %d x %d", pixels, w, h)
			}
			low, high = min(low, w, h), max(high, w, h)
		}
		if pixels >= maxSide*maxSide && (low != minSide || high != maxSide) {
			t.Errorf("%d pixels: sides are %d to %d", pixels, low, high)
		}
	}
}

// hugePNG is a header of 16000 x 16000 px with hardly anything behind it.
func hugePNG(t *testing.T) []byte {
	data := bytes.Clone(pngOf(t, 8, 8, 1).Data)
	binary.BigEndian.PutUint32(data[16:], 16000)
	binary.BigEndian.PutUint32(data[20:], 16000)
	binary.BigEndian.PutUint32(data[29:], crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestPhotos_refuse_answers_that_are_no_photo(t *testing.T) {
	small := jpegOf(t, 64, 64)
	endless := func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(small)
		for zeros := make([]byte, 1<<20); r.Context().Err() == nil; {
			if _, err := w.Write(zeros); err != nil {
				return
			}
		}
	}
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write(small)
		}
	}
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"text":                    {send([]byte("<html>sorry</html>")), imaging.ErrFormat},
		"nothing":                 {send(nil), imaging.ErrFormat},
		"truncated":               {send(small[:len(small)-10]), imaging.ErrBroken},
		"huge by its header":      {send(hugePNG(t)), imaging.ErrTooLarge},
		"larger than asked for":   {send(jpegOf(t, 400, 300)), imaging.ErrTooLarge},
		"endless":                 {endless, ErrTooManyBytes},
		"server error":            {status(500), ErrStatus},
		"not found":               {status(404), ErrStatus},
		"redirect without target": {status(304), ErrStatus},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(small)
		}, io.ErrUnexpectedEOF},
	} {
		p, _ := serve(t, PhotoOptions{}, c.answer)
		if got, err := p.Picture(t.Context(), newRand(), 256*256); !errors.Is(err, c.want) || got.Data != nil {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

func TestPhotos_never_connect_to_another_network(t *testing.T) {
	for _, to := range []string{
		"http://10.0.0.1/", "https://192.168.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[::ffff:10.0.0.1]/", "http://100.64.0.1/",
		"http://0.0.0.0/",
	} {
		p, _ := serve(t, PhotoOptions{}, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, ErrAddress) {
			t.Errorf("redirect to %s: got %v", to, err)
		}
	}
	asked := atomic.Bool{}
	_, url := serve(t, PhotoOptions{}, func(http.ResponseWriter, *http.Request) { asked.Store(true) })
	for _, base := range []string{url, strings.Replace(url, "127.0.0.1", "localhost", 1), strings.Replace(url, "127.0.0.1", "[::ffff:127.0.0.1]", 1)} {
		p, err := NewPhotos(PhotoOptions{URL: base})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, ErrAddress) || asked.Load() {
			t.Errorf("%s: got %v, asked %v", base, err, asked.Load())
		}
	}
}

func TestPhotos_check_the_address_of_every_connection(t *testing.T) {
	for address, want := range map[string]struct{ public, loopback bool }{
		"1.1.1.1:443":              {true, true},
		"[2606:4700::1111]:443":    {true, true},
		"127.0.0.1:80":             {false, true},
		"[::1]:80":                 {false, true},
		"[::ffff:127.0.0.1]:80":    {false, true},
		"[64:ff9b::127.0.0.1]:443": {false, false},
		"10.0.0.1:80":              {false, false},
		"[fe80::1%eth0]:80":        {false, false},
		"/run/docker.sock":         {false, false},
		"":                         {false, false},
	} {
		for loopback, want := range map[bool]bool{false: want.public, true: want.loopback} {
			if err := checkAddress(address, loopback); (err == nil) != want || err != nil && !errors.Is(err, ErrAddress) {
				t.Errorf("%s, loopback %v: got %v", address, loopback, err)
			}
		}
	}
}

func TestPhotos_follow_few_redirects_and_only_of_the_web(t *testing.T) {
	photo, asked := jpegOf(t, 64, 64), 0
	p, _ := serve(t, PhotoOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked <= maxRedirects {
			http.SetCookie(w, &http.Cookie{Name: "id", Value: "1"})
			http.Redirect(w, r, "/photo", http.StatusFound)
			return
		}
		if len(r.Cookies()) > 0 {
			t.Error("it keeps cookies")
		}
		_, _ = w.Write(photo)
	})
	if _, err := p.Picture(t.Context(), newRand(), anySize); err != nil {
		t.Errorf("%d redirects: %v", maxRedirects, err)
	}

	asked = 0
	p, _ = serve(t, PhotoOptions{}, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	})
	if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, ErrRedirects) || asked != maxRedirects+1 {
		t.Errorf("a loop: asked %d times, %v", asked, err)
	}

	for _, to := range []string{"file:///etc/passwd", "ftp://example.com/a", "gopher://127.0.0.1:25/_"} {
		p, _ = serve(t, PhotoOptions{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		})
		if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, ErrScheme) {
			t.Errorf("redirect to %s: got %v", to, err)
		}
	}
}

func TestPhotos_refuse_a_URL_that_is_no_service(t *testing.T) {
	for url, scheme := range map[string]bool{
		"ftp://example.com": true, "file:///tmp": true, "picsum.photos": true, "data:,": true,
		"https://": false, "https://:443/": false, "https://user:secret@example.com": false, "https://example.com?a=1": false,
		"https://example.com/#a": false, "http://exa mple.com": false,
	} {
		_, err := NewPhotos(PhotoOptions{URL: url})
		if err == nil || errors.Is(err, ErrScheme) != scheme || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", url, err)
		}
	}
	if p, err := NewPhotos(PhotoOptions{}); err != nil || p.base.String() != "https://picsum.photos" {
		t.Errorf("default: %v", err)
	}
}

func TestPhotos_ask_no_proxy(t *testing.T) {
	p, _ := serve(t, PhotoOptions{}, send(nil))
	if p.client.Transport.(*http.Transport).Proxy != nil {
		t.Error("a proxy would make the connections, to addresses that are not checked")
	}
}

func TestPhotos_wait_only_so_long(t *testing.T) {
	for name, begin := range map[string][]byte{"for an answer": nil, "for the rest": jpegOf(t, 64, 64)[:100]} {
		p, _ := serve(t, PhotoOptions{Timeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
			if begin != nil {
				_, _ = w.Write(begin)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		})
		if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestPhotos_stay_quiet_after_a_failure_and_longer_after_each(t *testing.T) {
	photo := jpegOf(t, 64, 64)
	now, asked, up := &clock{}, 0, false
	p, _ := serve(t, PhotoOptions{BackOff: 10 * time.Minute, Now: now.Now}, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; !up {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(photo)
	})
	ask := func(want error, times int) {
		t.Helper()
		if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, want) || asked != times {
			t.Fatalf("asked %d times, got %v; want %d, %v", asked, err, times, want)
		}
	}
	ask(ErrStatus, 1)
	for i, minutes := range []int{10, 20, 40, 60, 60} {
		now.advance(time.Duration(minutes)*time.Minute - 1)
		ask(ErrQuiet, i+1)
		now.advance(1)
		ask(ErrStatus, i+2)
	}
	up = true
	now.advance(time.Hour)
	ask(nil, 7)
	ask(nil, 8)
	up = false
	ask(ErrStatus, 9)
	now.advance(10 * time.Minute)
	ask(ErrStatus, 10)
}

// TestPhotos_let_one_try_whether_a_service_is_back has several fail together, then holds the one that tries.
func TestPhotos_let_one_try_whether_a_service_is_back(t *testing.T) {
	now, arrived, release := &clock{}, make(chan struct{}), make(chan struct{})
	p, _ := serve(t, PhotoOptions{BackOff: time.Minute, Now: now.Now}, func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		w.WriteHeader(http.StatusBadGateway)
	})
	var wg sync.WaitGroup
	ask := func() {
		defer wg.Done()
		if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, ErrStatus) {
			t.Errorf("got %v", err)
		}
	}
	round := func(n int) {
		wg.Add(n)
		for range n {
			go ask()
		}
		for range n {
			<-arrived
		}
	}
	round(5)
	for range 5 {
		release <- struct{}{}
	}
	wg.Wait()
	now.advance(time.Minute) // five failures at once are one
	round(1)
	if _, err := p.Picture(t.Context(), newRand(), anySize); !errors.Is(err, ErrQuiet) {
		t.Errorf("another tries too: %v", err)
	}
	release <- struct{}{}
	wg.Wait()
}

func TestPhotos_count_no_failure_when_the_caller_gives_up(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	first, photo := true, jpegOf(t, 64, 64)
	p, _ := serve(t, PhotoOptions{}, func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			cancel()
			<-r.Context().Done()
			return
		}
		_, _ = w.Write(photo)
	})
	for range 2 {
		if _, err := p.Picture(ctx, newRand(), anySize); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := p.Picture(t.Context(), newRand(), 0); !errors.Is(err, ErrEmpty) {
		t.Errorf("no pixels: got %v", err)
	}
	if _, err := p.Picture(t.Context(), newRand(), anySize); err != nil {
		t.Errorf("got %v", err)
	}
}
