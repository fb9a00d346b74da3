package devnet

import (
	"bytes"
	"strconv"
)

// subscription is one of a websocket. Exactly one of its topics is set.
type subscription struct {
	id     string
	conn   *conn
	method string // of its messages
	keys   [][]byte
	xt     *hash
	block  hash // of the extrinsic
}

func (s *subscription) tell(result any) { s.conn.send(notification(s.method, s.id, result)) }

// subscribe makes one; start is called once its reply is on the way.
func (n *Node) subscribe(c *conn, s *subscription, start func()) (any, func(), *rpcError) {
	if c == nil {
		return nil, nil, &rpcError{-32601, "Method not found", "subscriptions need a websocket"}
	}
	if len(c.subs) >= maxSubscriptions {
		return nil, nil, &rpcError{-32006, "Too many subscriptions on the connection", "Exceeded max limit of " + strconv.Itoa(maxSubscriptions)}
	}
	n.lastSub++
	s.id, s.conn = "dev"+strconv.FormatUint(n.lastSub, 10), c
	c.subs[s.id], n.subs[s.id] = s, s
	return s.id, start, nil
}

func (n *Node) unsubscribe(c *conn, a *arguments) (any, *rpcError) {
	var raw any
	a.next(&raw, false, "a subscription's id is wanted")
	if a.err != nil {
		return nil, a.err
	}
	id, _ := raw.(string)
	if c == nil || c.subs[id] == nil {
		return false, nil
	}
	delete(c.subs, id)
	delete(n.subs, id)
	return true, nil
}

func (n *Node) newHead(b *block, dropped []*block) {
	inBlock := map[hash]bool{}
	for _, xt := range b.extrinsics {
		inBlock[sum(xt)] = true
	}
	lost := map[hash]bool{}
	for _, d := range dropped {
		lost[d.hash] = true
	}
	parent := n.chain.byHash[b.parent]
	if len(dropped) > 0 {
		parent = dropped[0]
	}
	for _, s := range n.subs {
		switch {
		case s.method == "chain_newHead" || s.method == "chain_allHead":
			s.tell(b.json())
		case s.method == "state_runtimeVersion":
			if parent != nil && parent.runtime != b.runtime {
				s.tell(jsonVersion(b.runtime))
			}
		case s.method == "state_storage":
			if changes := changed(s.keys, parent, b); len(changes) > 0 {
				s.tell(storageChanges{b.hash, changes})
			}
		case s.xt != nil:
			if lost[s.block] {
				s.tell(map[string]hash{"retracted": s.block})
				s.block = hash{}
			}
			if inBlock[*s.xt] {
				s.block = b.hash
				s.tell(map[string]hash{"inBlock": b.hash})
			}
		}
	}
}

func (n *Node) finalized(b *block) {
	for _, s := range n.subs {
		if s.method == "chain_finalizedHead" {
			s.tell(b.json())
		}
		if s.xt != nil && s.block == b.hash {
			s.tell(map[string]hash{"finalized": b.hash})
			n.end(s)
		}
	}
}

// last tells an extrinsic's last status, and ends the subscriptions to it.
func (n *Node) last(xt hash, status any) {
	for _, s := range n.subs {
		if s.xt != nil && *s.xt == xt {
			s.tell(status)
			n.end(s)
		}
	}
}

func (n *Node) end(s *subscription) {
	delete(n.subs, s.id)
	delete(s.conn.subs, s.id)
}

type storageChanges struct {
	Block   hash         `json:"block"`
	Changes [][2]*string `json:"changes"`
}

// changed are the keys whose values differ after b from those after its parent; all, without a parent.
func changed(keys [][]byte, parent, b *block) [][2]*string {
	var changes [][2]*string
	for _, k := range keys {
		v, ok := b.state.get(string(k))
		if parent != nil {
			if old, had := parent.state.get(string(k)); had == ok && bytes.Equal(old, v) {
				continue
			}
		}
		key := hexed(k)
		change := [2]*string{&key, nil}
		if ok {
			value := hexed(v)
			change[1] = &value
		}
		changes = append(changes, change)
	}
	return changes
}
