package chain

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
)

// An Announcement is where a miner says that it serves.
type Announcement struct {
	Netuid  uint16
	Version uint32 // of the miner's software, which the chain only stores
	Addr    netip.AddrPort
}

// ErrAddress says that an address cannot be announced.
var ErrAddress = errors.New("an axon is announced at an address that others can reach, and a port")

// ServeAxon announces an axon, and reads back what the chain then holds. An announcement that the chain holds already is not made again, since there is a
// limit on how often: then the Inclusion is nil.
func (c *Client) ServeAxon(ctx context.Context, key Signer, a Announcement) (*Inclusion, error) {
	ip := a.Addr.Addr().Unmap()
	if !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || a.Addr.Port() == 0 {
		return nil, fmt.Errorf("%s: %w", a.Addr, ErrAddress)
	}
	want := netip.AddrPortFrom(ip, a.Addr.Port())
	s, err := c.Finalized(ctx)
	if err != nil {
		return nil, err
	}
	if held, err := s.Axon(ctx, a.Netuid, key.Public()); err != nil || held == want {
		return nil, err
	}
	kind := 6
	if ip.Is4() {
		kind = 4
	}
	unlock, err := c.lock(ctx, key.Public())
	if err != nil {
		return nil, err
	}
	defer unlock()
	x, err := c.Sign(ctx, key, subtensor, "serve_axon", a.Netuid, a.Version, new(big.Int).SetBytes(ip.AsSlice()), want.Port(), kind, protocolTCP, 0, 0)
	if err != nil {
		return nil, err
	}
	in, err := c.send(ctx, key, x)
	if err != nil {
		return in, err
	}
	if s, err = c.At(ctx, in.BlockHash); err != nil {
		return in, err
	}
	held, err := s.Axon(ctx, a.Netuid, key.Public())
	if err == nil && held != want {
		err = fmt.Errorf("the chain holds %s, not the %s that was announced", held, want)
	}
	return in, err
}

// protocolTCP is the SDK's number for HTTP over TCP.
const protocolTCP = 4

// Axon is where the chain says that a hotkey serves; the zero value where it serves nowhere.
func (s *State) Axon(ctx context.Context, netuid uint16, hotkey [32]byte) (netip.AddrPort, error) {
	v, err := s.Get(ctx, subtensor, "Axons", netuid, hotkey)
	return axon(v), err
}
