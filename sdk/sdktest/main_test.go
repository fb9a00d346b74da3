package sdktest

import (
	"flag"
	"os"
	"testing"

	"github.com/vision19/vision/sdk"
)

// serveEnv makes this test's binary a plugin: the good one, or one that is broken in the way that it names.
const serveEnv = "SDKTEST_PAINTER"

func TestMain(m *testing.M) {
	if how, ok := os.LookupEnv(serveEnv); ok {
		sdk.Serve(paintedBy(how))
	}
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // suites wait more than they compute
	os.Exit(m.Run())
}
