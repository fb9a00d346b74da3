package chain

import (
	"context"
	"errors"
	"fmt"

	"github.com/vision19/vision/chain/scale"
)

// Watch reads a subnet at every finalized block, and tells of each place that changed hands since: scores of the hotkey before are not the new one's. First
// it tells of the subnet as it is, without changes. It ends with ctx, or with told's error.
func (c *Client) Watch(ctx context.Context, netuid uint16, told func(now *Metagraph, changes []Change) error) error {
	var before *Metagraph
	return c.follow(ctx, finalizedHeads, func(Header) (bool, error) {
		s, err := c.Finalized(ctx)
		if err != nil {
			return false, err
		}
		now, err := s.Metagraph(ctx, netuid)
		if err != nil {
			return false, err
		}
		if before == nil {
			err = told(now, nil)
		} else if changes := Changes(before, now); len(changes) > 0 {
			err = told(now, changes)
		}
		before = now
		return err != nil, err
	})
}

// Hyperparameters are a subnet's settings as the runtime's newest API for them gives them, under its names. A runtime without one is ErrUnknown.
func (s *State) Hyperparameters(ctx context.Context, netuid uint16) (scale.Struct, error) {
	for _, method := range []string{"get_subnet_hyperparams_v3", "get_subnet_hyperparams_v2", "get_subnet_hyperparams"} {
		v, err := s.Call(ctx, "SubnetInfoRuntimeApi", method, netuid)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case scale.Struct:
			return v, nil
		case []any: // since 2026 a list of names and values
			var all scale.Struct
			for _, entry := range v {
				name, _ := member(entry, "name").([]byte)
				value := member(entry, "value")
				if kind, ok := value.(scale.Choice); ok {
					value = kind.Value
				}
				all = append(all, scale.Member{Name: string(name), Value: value})
			}
			return all, nil
		}
		return nil, fmt.Errorf("netuid %d: %w", netuid, ErrNoSubnet)
	}
	return nil, fmt.Errorf("hyperparameters: %w", ErrUnknown)
}
