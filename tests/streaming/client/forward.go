package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
)

func fetch(address string) (string, error) {
	response, err := http.Get(address)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(string(body))
	}
	return string(body), err
}

type forwardAnswer struct {
	Equal        int
	Different    []string
	Errors       string
	Milliseconds int64
}

// runForward forwards a port and has everything that it sends come back from an echo server in the pod.
func runForward(args []string) (any, error) {
	flags := flag.NewFlagSet("forward", flag.ExitOnError)
	protocol := flags.String("protocol", "spdy", "spdy or tunnel")
	port := flags.Int("port", 8080, "port in the pod")
	connections := flags.Int("connections", 1, "at a time")
	size := flags.Int64("bytes", 1000, "for each connection")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	target, err := url.Parse(flags.Arg(0))
	if err != nil {
		return nil, err
	}
	var dialer httpstream.Dialer
	if *protocol == "tunnel" {
		if dialer, err = portforward.NewSPDYOverWebsocketDialerForStreaming(target, &rest.Config{}); err != nil {
			return nil, err
		}
	} else {
		transport, upgrader, err := spdy.RoundTripperFor(&rest.Config{})
		if err != nil {
			return nil, err
		}
		dialer = spdy.NewDialerForStreaming(upgrader, &http.Client{Transport: transport}, "POST", target)
	}
	stop, ready := make(chan struct{}), make(chan struct{})
	// What kubectl shows of a connection that failed goes through klog.
	errorText := new(bytes.Buffer)
	klog.LogToStderr(false)
	klog.SetOutput(errorText)
	forwarder, err := portforward.NewForStreaming(dialer, []string{fmt.Sprintf("0:%d", *port)}, stop, ready, io.Discard, errorText)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- forwarder.ForwardPorts() }()
	select {
	case err := <-ended:
		return nil, err
	case <-ready:
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return nil, err
	}
	answer := forwardAnswer{Different: []string{}}
	var mutex sync.Mutex
	var group sync.WaitGroup
	began := time.Now()
	for range *connections {
		group.Go(func() {
			err := echo(fmt.Sprintf("127.0.0.1:%d", ports[0].Local), *size)
			mutex.Lock()
			defer mutex.Unlock()
			if err != nil {
				answer.Different = append(answer.Different, err.Error())
			} else {
				answer.Equal++
			}
		})
	}
	group.Wait()
	answer.Milliseconds = time.Since(began).Milliseconds()
	close(stop)
	select {
	case err := <-ended:
		if err != nil {
			answer.Errors = err.Error()
		}
	case <-time.After(10 * time.Second):
		return nil, errors.New("port forwarding did not end")
	}
	klog.Flush()
	answer.Errors = strings.TrimSpace(answer.Errors + " " + errorText.String())
	return answer, nil
}

func echo(address string, size int64) error {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	sent := newSource(size)
	go func() {
		io.Copy(connection, sent)
		connection.(*net.TCPConn).CloseWrite()
	}()
	received := newDigest()
	n, err := io.Copy(received, connection)
	if err != nil {
		return err
	}
	if n != size || received.String() != sent.digest.String() {
		return fmt.Errorf("%d of %d bytes came back", n, size)
	}
	return nil
}

// runServe listens for the other end of forwarded connections, until it is killed.
func runServe(args []string) (any, error) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	address := flags.String("listen", "127.0.0.1:8080", "")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", *address)
	if err != nil {
		return nil, err
	}
	fmt.Println("ready")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return nil, err
		}
		go func() {
			defer connection.Close()
			io.Copy(connection, connection)
		}()
	}
}
