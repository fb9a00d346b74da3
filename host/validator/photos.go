package validator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/vision19/vision/sdk"
)

// What Photos refuses; test for them with errors.Is. All but ErrQuiet count as a failure of the service.
var (
	ErrQuiet     = errors.New("photo service has failed and is not asked for a while")
	ErrScheme    = errors.New("only http and https are asked for photos")
	ErrAddress   = errors.New("not a public address")
	ErrRedirects = errors.New("too many redirects")
	ErrStatus    = errors.New("photo service has no photo")
)

const (
	connectTimeout = 5 * time.Second // so that the next of a name's addresses has its turn
	maxRedirects   = 3               // picsum.photos needs one
	maxHeaderBytes = 64 << 10        // of an answer; some hundred are usual
	maxBackOff     = time.Hour       // so that a service is found again within the hour
	minSide        = 500             // px: the sides that Vision always drew from
	maxSide        = 1500
)

// PhotoOptions say where photos come from. Only the zero value of AllowLoopback belongs outside of tests.
type PhotoOptions struct {
	URL           string           // GET {URL}/{width}/{height} answers with a photo; https://picsum.photos unless given
	Timeout       time.Duration    // from the name's resolution to the last byte; 10 s unless given: a photo is some hundred kB
	BackOff       time.Duration    // how long a service is left alone after a failure, doubled by each further one up to 1 h; 1 min unless given
	Now           func() time.Time // the clock of the back-off; time.Now unless given
	AllowLoopback bool             // also this machine's own addresses
}

// Photos gives photos from a service on the public internet. Neither the service nor a redirect or a name's resolution can lead it into the
// validator's own network: every connection's address is checked when it is made. It uses no proxy, not even one of the environment, and
// keeps no cookies and no connections.
type Photos struct {
	base    *url.URL
	client  http.Client
	timeout time.Duration
	backOff time.Duration
	now     func() time.Time

	mu    sync.Mutex
	wait  time.Duration // the back-off that the last failure began; 0 after a photo
	until time.Time     // when it ends
}

// NewPhotos checks the options; it asks nothing of the service. The error is ErrScheme or says what the URL should be.
func NewPhotos(o PhotoOptions) (*Photos, error) {
	if o.URL == "" {
		o.URL = "https://picsum.photos"
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.BackOff <= 0 {
		o.BackOff = time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	base, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("photo service: %w", err)
	}
	if err := checkScheme(base); err != nil {
		return nil, fmt.Errorf("photo service: %w", err)
	}
	if base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("photo service %q: the URL should be a host and perhaps a path, such as https://picsum.photos", base.Redacted())
	}
	dialer := net.Dialer{Timeout: connectTimeout, Control: func(_, address string, _ syscall.RawConn) error { return checkAddress(address, o.AllowLoopback) }}
	return &Photos{
		base: base, timeout: o.Timeout, backOff: o.BackOff, now: o.Now,
		client: http.Client{
			Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxHeaderBytes},
			CheckRedirect: checkRedirect,
		},
	}, nil
}

func checkScheme(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%w, not %q", ErrScheme, u.Scheme)
	}
	return nil
}

func checkRedirect(next *http.Request, before []*http.Request) error {
	if len(before) > maxRedirects {
		return fmt.Errorf("%w: at most %d", ErrRedirects, maxRedirects)
	}
	return checkScheme(next.URL)
}

// checkAddress is asked for the resolved address of every connection. A check of the name before would not bind what it resolves to later.
func checkAddress(address string, loopback bool) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if public(a.Addr()) || loopback && a.Addr().Unmap().IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrAddress, a.Addr())
}

// Picture implements synth.Source: a photo as the service sent it, whatever its size within maxPixels and MaxPicturePixels. Sides between 500 and
// 1500 px are asked for, scaled down together to maxPixels.
//
// The errors are ErrEmpty where maxPixels allows nothing, ErrQuiet at once during a back-off and while it is tried whether the service is back, and
// as failures that begin a back-off: those above, ErrTooManyBytes, those of imaging.Read, context.DeadlineExceeded, whosever time it was, and the
// network's. That the caller gives up is no failure of the service.
func (p *Photos) Picture(ctx context.Context, rng *rand.Rand, maxPixels int) (sdk.Image, error) {
	if maxPixels < 1 {
		return sdk.Image{}, ErrEmpty
	}
	if err := ctx.Err(); err != nil {
		return sdk.Image{}, fmt.Errorf("get a photo: %w", err)
	}
	width, height := drawSides(rng, maxPixels)
	before, ok := p.begin()
	if !ok {
		return sdk.Image{}, ErrQuiet
	}
	picture, err := p.get(ctx, p.base.JoinPath(strconv.Itoa(width), strconv.Itoa(height)), maxPixels)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			p.failed(before)
		}
		return sdk.Image{}, fmt.Errorf("get a photo: %w", err)
	}
	p.succeeded()
	return picture, nil
}

func drawSides(rng *rand.Rand, maxPixels int) (width, height int) {
	w, h := float64(minSide+rng.IntN(maxSide-minSide+1)), float64(minSide+rng.IntN(maxSide-minSide+1))
	scale := min(1, math.Sqrt(float64(maxPixels)/(w*h)))
	return max(1, int(w*scale)), max(1, int(h*scale))
}

// begin says whether the service may be asked. After a failure only one caller tries, and the others go on without a photo.
func (p *Photos) begin() (wait time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.wait > 0 {
		if now.Before(p.until) {
			return 0, false
		}
		p.until = now.Add(p.timeout)
	}
	return p.wait, true
}

// failed doubles the back-off that was over when the request began: requests that fail together count as one.
func (p *Photos) failed(before time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = min(max(2*before, p.backOff), maxBackOff)
	p.until = p.now().Add(p.wait)
}

func (p *Photos) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = 0
}

func (p *Photos) get(ctx context.Context, from *url.URL, maxPixels int) (sdk.Image, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from.String(), nil)
	if err != nil {
		return sdk.Image{}, err
	}
	request.Header.Set("Accept", "image/jpeg, image/png, image/webp")
	answer, err := p.client.Do(request)
	if err != nil {
		return sdk.Image{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return sdk.Image{}, fmt.Errorf("%s: %w: it answers %d", from, ErrStatus, answer.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, MaxPictureBytes+1))
	if err != nil {
		return sdk.Image{}, fmt.Errorf("%s: %w", from, err)
	}
	picture, err := check(data, maxPixels)
	if err != nil {
		return sdk.Image{}, fmt.Errorf("%s: %w", from, err)
	}
	return picture, nil
}
