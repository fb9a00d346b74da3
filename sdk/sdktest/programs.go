package sdktest

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	pb "github.com/vision19/vision/sdk/internal/proto/v1"
	"github.com/vision19/vision/sdk/wire"
)

// path is the target's program.
func (s *suite) path() (string, error) {
	e, ok := s.target.(executable)
	if !ok {
		return "", skip("needs a program that may be started outside the sandbox of a host")
	}
	return e.Executable(), nil
}

// foreign is the target's program, started by other means than go-plugin's client.
type foreign struct {
	cmd  *exec.Cmd
	dir  string
	line []string      // the handshake, in its parts
	gone chan struct{} // closed when the process and all that it has started are gone
}

// handshakes starts cmd in the environment that a host sets, and reads its output up to the handshake.
func handshakes(ctx context.Context, cmd *exec.Cmd, certificate []byte) (*foreign, error) {
	dir, err := os.MkdirTemp("", "vt")
	if err != nil {
		return nil, err
	}
	f := &foreign{cmd: cmd, dir: dir, gone: make(chan struct{})}
	cmd.Dir, cmd.Env = dir, handshakeEnv(dir, certificate)
	ownGroup(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// A pipe that every child inherits and nobody knows of: it ends with the last of them.
	life, held, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	cmd.ExtraFiles = []*os.File{held}
	err = cmd.Start()
	held.Close()
	if err != nil {
		return nil, errors.Join(err, life.Close(), os.RemoveAll(dir))
	}
	go func() {
		defer close(f.gone)
		defer life.Close()
		_, _ = io.Copy(io.Discard, life)
	}()
	found := make(chan []string, 1)
	go func() {
		defer close(found)
		in := bufio.NewReader(out)
		for {
			line, err := in.ReadString('\n')
			if parts := handshakeLine.FindStringSubmatch(line); parts != nil {
				found <- parts
				_, _ = io.Copy(io.Discard, in)
				return
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case parts, ok := <-found:
		if ok {
			f.line = parts
			return f, nil
		}
		f.end()
		return nil, fmt.Errorf("%s ends without a handshake", cmd.Path)
	case <-time.After(startTime):
	case <-ctx.Done():
	}
	f.end()
	return nil, fmt.Errorf("%s has no handshake within %s", cmd.Path, startTime)
}

// end ends the whole group.
func (f *foreign) end() {
	killGroup(f.cmd)
	_ = f.cmd.Wait()
	_ = os.RemoveAll(f.dir)
}

func startedByHand(ctx context.Context, s *suite) (string, error) {
	path, err := s.path()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	h := wire.Handshake()
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, h.MagicCookieKey+"=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.WaitDelay = drainTime
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("started by hand it runs on after %s: it must end, and say that it is a plugin", startTime)
	case err == nil:
		return "", errors.New("started by hand it ends as if all were well: it must end with an error")
	case len(strings.TrimSpace(string(out))) == 0:
		return "", errors.New("started by hand it says nothing: it must say that it is a plugin")
	}
	return "", nil
}

func onlyToItsHost(ctx context.Context, s *suite) (string, error) {
	path, err := s.path()
	if err != nil {
		return "", err
	}
	mine, text, err := newCertificate()
	if err != nil {
		return "", err
	}
	other, _, err := newCertificate()
	if err != nil {
		return "", err
	}
	f, err := handshakes(ctx, exec.Command(path), text)
	if err != nil {
		return "", err
	}
	defer f.end()
	der, err := base64.RawStdEncoding.DecodeString(f.line[4])
	if err != nil || len(der) == 0 {
		return "", fmt.Errorf("the handshake has no certificate, though the host's was in %s: anybody on this machine could speak to it", clientCertificate)
	}
	server, err := x509.ParseCertificate(der)
	if err != nil {
		return "", fmt.Errorf("the handshake's certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server)
	secure := func(certificates ...tls.Certificate) credentials.TransportCredentials {
		return credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: serverName, MinVersion: tls.VersionTLS12, Certificates: certificates})
	}
	if err := f.describe(ctx, secure(mine)); err != nil {
		return "", fmt.Errorf("with the host's own key: %w", err)
	}
	for who, c := range map[string]credentials.TransportCredentials{
		"without TLS": insecure.NewCredentials(), "without a certificate": secure(), "with another certificate": secure(other),
	} {
		if f.describe(ctx, c) == nil {
			return "", fmt.Errorf("a stranger %s is answered", who)
		}
	}
	return "", nil
}

// describe asks for the description over a connection of its own.
func (f *foreign) describe(ctx context.Context, c credentials.TransportCredentials) error {
	address := f.line[3]
	if f.line[2] == "unix" {
		address = "unix:" + address
	}
	conn, err := grpc.NewClient(address, append(wire.DialOptions(), grpc.WithTransportCredentials(c))...)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 3*quickTime)
	defer cancel()
	_, err = pb.NewPluginClient(conn).Describe(ctx, &pb.DescribeRequest{})
	return err
}

func worksInAnyFolder(ctx context.Context, s *suite) (string, error) {
	path, err := s.path()
	if err != nil {
		return "", err
	}
	if s.failure[answering] || s.failure[loading] {
		return "", skip("the plugin does not load, which another case tells")
	}
	if s.pace == nil {
		if _, err := s.ready(ctx); err != nil {
			return "", err
		}
	}
	s.discard() // two models may not fit
	elsewhere := newSuite(&program{path: path, folder: "a folder, 漢字 & $(spaces)"}, s.o)
	elsewhere.pace = s.pace
	defer elsewhere.endFresh()
	x, err := elsewhere.loaded(ctx)
	if err != nil {
		return "", err
	}
	_, err = x.answer(ctx, s.pace.cheap)
	return "", err
}

// orphanTime is how long a plugin may outlive its host; the SDK looks twice a second.
const orphanTime = 3 * time.Second

func endsWithHost(ctx context.Context, s *suite) (string, error) {
	path, err := s.path()
	if err != nil {
		return "", err
	}
	if runtime.GOOS == "windows" {
		return "", skip("there is no shell to stand in for the host")
	}
	_, text, err := newCertificate()
	if err != nil {
		return "", err
	}
	// A shell stands in for the host: the plugin's parent, which dies without a word.
	f, err := handshakes(ctx, exec.Command("sh", "-c", wire.EnvParent+`=$$ "$0" & wait`, path), text)
	if err != nil {
		return "", err
	}
	defer f.end()
	if err := f.cmd.Process.Kill(); err != nil {
		return "", err
	}
	began := time.Now()
	select {
	case <-f.gone:
		return "after " + short(time.Since(began)), nil
	case <-time.After(orphanTime):
		return "", fmt.Errorf("it runs on %s after its host has died: it must watch that its parent is the process in %s", orphanTime, wire.EnvParent)
	}
}
