// Package resolve asks the domain name system how long an answer may be kept.
//
// It asks one server over UDP: a caching one tells what is left of the time, so ask the
// zone's own server to know the whole.
package resolve

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// Server is a name server, HOST:PORT.
type Server string

// maxAnswer is the largest answer over UDP that servers send unasked, in bytes.
const maxAnswer = 4096

// TTL is the shortest time to live in the chain of answers that leads to the host's address.
func (s Server) TTL(ctx context.Context, host string) (time.Duration, error) {
	name, err := dnsmessage.NewName(strings.TrimSuffix(host, ".") + ".")
	if err != nil {
		return 0, fmt.Errorf("name %q: %w", host, err)
	}
	var random [2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return 0, err
	}
	query := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: binary.BigEndian.Uint16(random[:]), RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := query.Pack()
	if err != nil {
		return 0, fmt.Errorf("name %q: %w", host, err)
	}
	answer, err := s.exchange(ctx, packed)
	if err != nil {
		return 0, fmt.Errorf("ask %s for %s: %w", string(s), host, err)
	}
	return shortest(answer, query.ID)
}

func (s Server) exchange(ctx context.Context, query []byte) (answer []byte, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", string(s))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	deadline := time.Now().Add(5 * time.Second) // a name server that takes longer is away
	if limit, ok := ctx.Deadline(); ok && limit.Before(deadline) {
		deadline = limit
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, err
	}
	if _, err := conn.Write(query); err != nil {
		return nil, err
	}
	buffer := make([]byte, maxAnswer)
	n, err := conn.Read(buffer)
	return buffer[:n], err
}

func shortest(packed []byte, id uint16) (time.Duration, error) {
	var m dnsmessage.Message
	if err := m.Unpack(packed); err != nil {
		return 0, fmt.Errorf("answer: %w", err)
	}
	if m.ID != id || !m.Response {
		return 0, errors.New("answer to another question")
	}
	if m.RCode != dnsmessage.RCodeSuccess || len(m.Answers) == 0 {
		return 0, fmt.Errorf("no address: %s", m.RCode)
	}
	least := m.Answers[0].Header.TTL
	for _, a := range m.Answers {
		least = min(least, a.Header.TTL)
	}
	return time.Duration(least) * time.Second, nil
}

// System finds the server that this machine asks, from the text of its resolv.conf.
func System(conf []byte) (Server, error) {
	for line := range strings.Lines(string(conf)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "nameserver" {
			return Server(net.JoinHostPort(f[1], "53")), nil
		}
	}
	return "", errors.New("resolv.conf names no server")
}
