package sdktest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/vision19/vision/sdk/wire"
)

// handshakeLine is what a plugin prints when it can be reached: 1|1|unix|PATH|grpc|CERTIFICATE.
var handshakeLine = regexp.MustCompile(`^\d+\|(\d+)\|(unix|tcp)\|([^|\n]+)\|grpc(?:\|([^|\n]*))?`)

// handshakeEnv is what go-plugin's client sets for a plugin, for the starts that do without that client.
func handshakeEnv(socketDir string, certificate []byte) []string {
	h := wire.Handshake()
	return append(os.Environ(),
		h.MagicCookieKey+"="+h.MagicCookieValue,
		fmt.Sprintf("PLUGIN_PROTOCOL_VERSIONS=%d", h.ProtocolVersion),
		"PLUGIN_MIN_PORT=10000", "PLUGIN_MAX_PORT=25000",
		plugin.EnvUnixSocketDir+"="+socketDir,
		clientCertificate+"="+string(certificate),
	)
}

// clientCertificate is go-plugin's variable for the certificate that a plugin is to ask of its host.
const clientCertificate = "PLUGIN_CLIENT_CERT"

// newCertificate makes the certificate of one host for one plugin, also as PEM. Its curve is P-256, which every TLS library takes; go-plugin's own,
// P-521, is refused by some.
func newCertificate() (tls.Certificate, []byte, error) {
	fail := func(err error) (tls.Certificate, []byte, error) {
		return tls.Certificate{}, nil, fmt.Errorf("make a certificate: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return fail(err)
	}
	now := time.Now()
	template := x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: serverName}, DNSNames: []string{serverName},
		NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return fail(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text, nil
}

// serverName is the name in the certificates of both sides.
const serverName = "localhost"
