package sdktest

import (
	"testing"

	"github.com/vision19/vision/sdk"
)

func TestSuite_passes_an_endpoint_that_keeps_its_promises(t *testing.T) {
	Test(t, InProcess(func() sdk.Endpoint { return &painter{} }), Options{})
}
