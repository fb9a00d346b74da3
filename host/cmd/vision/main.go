// Command vision runs plugins and asks them for pictures; see `vision help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

func main() {
	// Pictures are megabytes of short-lived bytes beside a small heap; the default of 100 would collect at every few.
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	err := newRoot().ExecuteContext(ctx)
	stop()
	code := exitOK
	if err != nil {
		code = exitFailed
		if e := new(usageError); errors.As(err, &e) {
			code = exitUsage
		}
		if err.Error() != "" {
			fmt.Fprintln(os.Stderr, "vision:", err)
		}
	}
	os.Exit(code)
}
