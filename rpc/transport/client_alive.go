package transport

import (
	"errors"
	"sync/atomic"
	"time"
)

// alive finds out whether a connection whose node says nothing is dead: a cut wire, or a
// machine that is gone, ends no connection. It works while calls wait for answers.
type alive struct {
	every time.Duration // 0: never
	heard atomic.Bool   // something came since the last look

	// Guarded by Conn.mu.
	waiting int // calls that wait, except idle ones
	timer   *time.Timer
	running bool
	silent  int // looks since anything was heard
}

// looks is how many looks without anything heard end a connection. The first may come at
// once after something was heard, so that it takes one more period at most.
const looks = 3

var errDead = errors.New("the node has said nothing for too long, and answers no ping")

// waits notes that one more call waits. mu is held.
func (c *Conn) waits(p *pending) {
	if p.idle {
		return
	}
	a := &c.alive
	if a.waiting++; a.waiting > 1 || a.every == 0 || a.running {
		return
	}
	a.running, a.silent = true, 0
	if a.timer == nil {
		a.timer = time.AfterFunc(a.every, c.look)
	} else {
		a.timer.Reset(a.every)
	}
}

// look is called while calls wait.
func (c *Conn) look() {
	c.mu.Lock()
	a := &c.alive
	if c.err != nil || a.waiting == 0 {
		a.running = false
		c.mu.Unlock()
		return
	}
	// What is being written can hold up a ping for as long as the write may take.
	if a.heard.Swap(false) || c.w.writing() {
		a.silent = 0
	} else {
		a.silent++
	}
	if a.silent >= looks {
		c.mu.Unlock()
		c.fail(errDead)
		return
	}
	var ping *pending
	if a.silent > 0 {
		ping = &pending{id: c.lastStream.Add(1), ping: true, abandoned: true, idle: true}
		c.calls[ping.id] = ping
		c.inFlight.Add(1)
	}
	a.timer.Reset(a.every)
	c.mu.Unlock()
	if ping != nil {
		_ = c.w.post(control(KindPing, ping.id, nil)) // or the connection has ended
	}
}
