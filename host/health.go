package host

import (
	"slices"
	"time"

	"github.com/vision19/vision/host/instance"
	"github.com/vision19/vision/sdk"
)

// alive reports whether another process is there or about to be.
func (u *unit) alive(but *replica) bool {
	return slices.ContainsFunc(u.all(), func(r *replica) bool {
		s := r.instance.Status()
		return r != but && (s.State == instance.Ready || s.State == instance.Starting || s.State == instance.Loading)
	})
}

// cooling is what a request gets while every process waits for its next start: the cause, and when to come again. Whatever the cause, the request
// is not what is wrong. A process that was unloaded while it waited still waits: the request would start it too soon. It is nil when there is hope.
func (u *unit) cooling() error { return u.coolingAfter(nil, instance.Status{}) }

// coolingAfter is cooling with the state of one replica that others are about to see.
func (u *unit) coolingAfter(changed *replica, next instance.Status) error {
	u.mu.Lock()
	reloading := u.reloading
	u.mu.Unlock()
	if reloading {
		return nil
	}
	var last *instance.Status
	for _, r := range u.all() {
		s := r.instance.Status()
		if r == changed {
			s = next
		}
		waits := (s.State == instance.Backoff || s.State == instance.Stopped) && time.Until(s.RetryAt) > 0
		if !waits && s.State != instance.Stopped {
			return nil
		} else if !waits {
			continue
		}
		if last == nil || s.RetryAt.Before(last.RetryAt) {
			last = &s
		}
	}
	if last == nil {
		return nil
	}
	e := sdk.NewError(sdk.CodeUnavailable, last.LastError.Error(), last.LastError)
	e.RetryAfter = max(time.Until(last.RetryAt), time.Second)
	return e
}
