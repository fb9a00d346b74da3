package launch_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io/fs"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vision19/vision/host/launch"
)

// socketOf is the plugin's socket.
func socketOf(t testing.TB, s launch.Spec) (path string) {
	t.Helper()
	_ = filepath.WalkDir(s.SocketDir, func(name string, e fs.DirEntry, _ error) error {
		if e != nil && e.Type()&fs.ModeSocket != 0 {
			path = name
		}
		return nil
	})
	if path == "" {
		t.Fatal("there is no socket")
	}
	return path
}

// strangersCertificate is one like the host's, with another key.
func strangersCertificate(t testing.TB, curve elliptic.Curve) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost", Organization: []string{"Vision"}}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestSocket_answers_nobody_but_the_host(t *testing.T) {
	s, _ := spec(t, "")
	p, d := ready(t, s)
	socket := socketOf(t, s)
	for name, config := range map[string]*tls.Config{
		"without TLS":                 nil,
		"without a certificate":       {InsecureSkipVerify: true, NextProtos: []string{"h2"}},
		"with another certificate":    {InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{strangersCertificate(t, elliptic.P256())}},
		"with another, of other kind": {InsecureSkipVerify: true, NextProtos: []string{"h2"}, Certificates: []tls.Certificate{strangersCertificate(t, elliptic.P384())}},
	} {
		t.Run(name, func(t *testing.T) {
			if answer, err := converse(t.Context(), socket, config); err == nil {
				t.Errorf("the plugin has answered %q", answer)
			}
		})
	}
	if _, err := infer(t, p, d, "still there", nil); err != nil {
		t.Error(err)
	}
}

// converse starts HTTP/2, whose server speaks next.
func converse(ctx context.Context, socket string, config *tls.Config) (string, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unix", socket)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if config != nil {
		c = tls.Client(c, config)
	}
	if _, err := c.Write([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")); err != nil {
		return "", err
	}
	answer := make([]byte, 64)
	n, err := c.Read(answer)
	return string(answer[:n]), err
}

func TestHost_does_not_speak_to_a_plugin_without_a_certificate(t *testing.T) {
	s, _ := spec(t, "no-certificate")
	p := start(t, s)
	if answer, err := converse(t.Context(), socketOf(t, s), nil); err != nil {
		t.Fatalf("the plugin does not answer in the clear, %q: %v", answer, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, _, err := p.Client().Describe(ctx); err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("%v", err)
	}
}
