package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/vision19/vision/chain"
	"github.com/vision19/vision/chain/rpc"
	"github.com/vision19/vision/chain/wallet"
)

// networks are the chains that go by a name, as Bittensor's own command line has them.
var networks = map[string]string{
	"finney":  "wss://entrypoint-finney.opentensor.ai:443",
	"test":    "wss://test.finney.opentensor.ai:443",
	"archive": "wss://archive.chain.opentensor.ai:443",
	"local":   "ws://127.0.0.1:9944",
}

// chainFlags are which chain, which subnet and which wallet. Each has the name that Bittensor's command line gives it, too.
type chainFlags struct {
	endpoints []string
	network   string
	netuid    uint16
	path      string
	name      string
	hotkey    string
}

// aliases are the other names of flags.
var aliases = map[string]string{"subtensor.chain_endpoint": "endpoint", "subtensor.network": "network"}

// endpointFlags adds which chain and which subnet.
func (f *chainFlags) endpointFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if own, ok := aliases[name]; ok {
			name = own
		}
		return pflag.NormalizedName(name)
	})
	flags.StringArrayVar(&f.endpoints, "endpoint", nil, "`URL` of a node, ws, wss, http or https; repeatable, the next is taken when one fails; also --subtensor.chain_endpoint")
	flags.StringVar(&f.network, "network", "finney", "`NAME` of a chain in place of an endpoint: finney, test, archive, local; also --subtensor.network")
	flags.Uint16Var(&f.netuid, "netuid", 19, "`N` of the subnet")
}

// walletFlags adds which hotkey.
func (f *chainFlags) walletFlags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&f.name, "wallet.name", "default", "`NAME` of the wallet")
	flags.StringVar(&f.hotkey, "wallet.hotkey", "default", "`NAME` of the wallet's hotkey")
	flags.StringVar(&f.path, "wallet.path", "", "`DIR` of the wallets (default ~/.bittensor/wallets)")
}

// dial connects to the chain.
func (f *chainFlags) dial(ctx context.Context, a *app) (*chain.Client, error) {
	endpoints := f.endpoints
	if len(endpoints) == 0 {
		url, ok := networks[f.network]
		if !ok {
			return nil, &usageError{fmt.Errorf("--network %q: finney, test, archive and local have a name; --endpoint URL takes any other", f.network)}
		}
		endpoints = []string{url}
	}
	log, err := a.logger(silent)
	if err != nil {
		return nil, err
	}
	c, err := chain.Dial(ctx, rpc.Options{Endpoints: endpoints, Log: log})
	if errors.Is(err, rpc.ErrEndpoint) {
		return nil, &usageError{err}
	}
	return c, err
}

// head reads the chain's state at its best block.
func (f *chainFlags) head(ctx context.Context, a *app, read func(*chain.State) error) error {
	client, err := f.dial(ctx, a)
	if err != nil {
		return err
	}
	defer client.Close()
	state, err := client.Head(ctx)
	if err != nil {
		return err
	}
	return read(state)
}

// dir is the folder of the wallets.
func (f *chainFlags) dir() (string, error) {
	if f.path != "" {
		return f.path, nil
	}
	return wallet.DefaultDir()
}

// open opens the wallet's hotkey. Nothing else of the wallet is ever opened.
func (f *chainFlags) open() (wallet.Keypair, error) {
	dir, err := f.dir()
	if err != nil {
		return wallet.Keypair{}, err
	}
	w, err := wallet.Open(dir, f.name, f.hotkey, askPassword)
	return w.Hotkey, walletError(err)
}

// public is the hotkey's public half, for which nothing encrypted is opened.
func (f *chainFlags) public() ([32]byte, error) {
	dir, err := f.dir()
	if err != nil {
		return [32]byte{}, err
	}
	w, err := wallet.Open(dir, f.name, f.hotkey, nil)
	if errors.Is(err, wallet.ErrLocked) {
		return wallet.ReadPublic(filepath.Join(dir, f.name, "hotkeys", f.hotkey+"pub.txt"))
	}
	return w.Hotkey.Public(), walletError(err)
}

// walletError makes what the caller named wrongly a wrong usage.
func walletError(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, wallet.ErrName) {
		return &usageError{fmt.Errorf("%w; --wallet.path, --wallet.name and --wallet.hotkey say which", err)}
	}
	return err
}

// askPassword asks on the terminal, which shows nothing of the answer.
func askPassword(path string) ([]byte, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return nil, fmt.Errorf("%s is encrypted, and there is no terminal to ask for its password: validators keep hotkeys unencrypted", path)
	}
	fmt.Fprintf(os.Stderr, "Password of %s: ", path)
	defer fmt.Fprintln(os.Stderr)
	return term.ReadPassword(int(os.Stdin.Fd()))
}

// refusals are what in an error is the chain's no, as JSON has it.
func refusals(err error) []refusalJSON {
	var all []refusalJSON
	var walk func(error)
	walk = func(err error) {
		if r := (*chain.Refusal)(nil); errors.As(err, &r) {
			if joined, ok := err.(interface{ Unwrap() []error }); ok {
				for _, e := range joined.Unwrap() {
					walk(e)
				}
				return
			}
			if x := (refusalJSON{r.Name, r.Error()}); !slices.Contains(all, x) {
				all = append(all, x)
			}
		}
	}
	walk(err)
	return all
}

// refusalJSON is why the chain refuses.
type refusalJSON struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// tao writes rao as TAO.
func tao(rao uint64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%d.%09d", rao/1e9, rao%1e9), "0"), ".")
}
