package sdktest_test

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/vision19/vision/sdk/sdktest"
)

func TestX(t *testing.T) {
	var config map[string]any
	if m := os.Getenv("MODEL"); m != "" {
		config = map[string]any{"model": m, "threads": 1}
	}
	r := sdktest.Run(t.Context(), sdktest.Binary(os.Getenv("PLUGIN")), sdktest.Options{Config: config, Match: regexp.MustCompile(os.Getenv("MATCH")), Report: func(r sdktest.Result) {
		fmt.Printf("%-8s %-50s %8.3fs %s\n", r.Result, r.Name, r.Took.Seconds(), r.Detail)
	}})
	fmt.Println(r.Passed, r.Failed, r.Skipped)
}
