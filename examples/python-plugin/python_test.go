// Package python_test holds the plugin in Python to what every plugin promises.
package python_test

import (
	"os/exec"
	"testing"

	"github.com/vision19/vision/sdk/sdktest"
)

// interpreter is what the plugin's first line names.
const interpreter = "/usr/bin/python3"

// python skips a test where the plugin cannot run at all.
func python(t *testing.T) {
	t.Helper()
	if out, err := exec.Command(interpreter, "-c", "import grpc, google.protobuf, cryptography, numpy").CombinedOutput(); err != nil {
		t.Skipf("python3 with grpcio is not installed (Debian: python3-grpcio python3-protobuf python3-cryptography python3-numpy): %v\n%s", err, out)
	}
}

func TestPlugin_keeps_the_contract(t *testing.T) {
	python(t)
	sdktest.Test(t, sdktest.Binary("plugin"), sdktest.Options{})
}

func TestPackage_passes_its_own_tests(t *testing.T) {
	python(t)
	if out, err := exec.Command(interpreter, "-B", "-m", "unittest").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
