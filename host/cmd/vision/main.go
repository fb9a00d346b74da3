// Command vision runs plugins and asks them for pictures; see `vision help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
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
