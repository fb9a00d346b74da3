package instance

// State is where a plugin process is in its life.
type State string

// The states. None is terminal.
const (
	Stopped  State = "stopped"  // no process
	Starting State = "starting" // process, handshake, configuration
	Loading  State = "loading"  // the model is being loaded
	Ready    State = "ready"    // requests are answered
	Draining State = "draining" // the last requests are answered, then the process ends
	Backoff  State = "backoff"  // it failed; the next start waits
)

// event is what moves a state.
type event string

const (
	wanted  event = "wanted"  // somebody wants it running
	loading event = "loading" // the process has been started and configured
	loaded  event = "loaded"
	failed  event = "failed" // the process died, did not start, or was found unresponsive
	denied  event = "denied" // there is no room for it
	retry   event = "retry"  // the wait is over
	stop    event = "stop"   // somebody wants it stopped
	stopped event = "stopped"
)

// table is every transition; an event that a state does not name changes nothing.
var table = map[State]map[event]State{
	Stopped:  {wanted: Starting},
	Starting: {loading: Loading, failed: Backoff, denied: Stopped, stop: Draining},
	Loading:  {loaded: Ready, failed: Backoff, stop: Draining},
	Ready:    {failed: Backoff, stop: Draining},
	Draining: {stopped: Stopped},
	Backoff:  {retry: Starting, stop: Stopped},
}
