// Package batch gathers what many goroutines have to say into few messages: one message of a stream costs far more than one of its items.
package batch

import (
	"context"
	"runtime"
)

// limit is how many bytes of items go into one message, unless one item alone has more: some hundred small ones, or two chunks of a result.
const limit = 1 << 20

// Run sends what comes in, in order and as many at once as there are, until ctx ends or a send fails.
func Run[T any](ctx context.Context, in <-chan T, size func(T) int, send func([]T) error) error {
	var held []T // an item that did not fit into the message before
	for {
		items := held
		held = nil
		if len(items) == 0 {
			select {
			case item := <-in:
				items = append(items, item)
			case <-ctx.Done():
				return ctx.Err()
			}
			runtime.Gosched() // lets others that are ready add theirs
		}
		bytes := size(items[0])
	gather:
		for bytes < limit {
			select {
			case item := <-in:
				if bytes += size(item); bytes > limit {
					held = []T{item}
					break gather
				}
				items = append(items, item)
			default:
				break gather
			}
		}
		if err := send(items); err != nil {
			return err
		}
	}
}
