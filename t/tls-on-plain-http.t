# A ClientHello on a port of plain HTTP is answered with a TLS alert at once, and the log names the virtual host and the
# SSLEngine that it lacks; requests in plain HTTP are served there as if nobody looked.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use IO::Select;
use Socket qw(SHUT_WR IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);
use ModSSL::Httpd qw(ours_only wait_for mpm);
use ModSSL::Client qw(:all);
use ModSSL::Wire;

ours_only('the stock module leaves these bytes to the HTTP parser');

my $h = ModSSL::Httpd->new(listen => [qw(https plain off)], modules => [qw(http2 reqtimeout)], config => <<'CONF');
Timeout 200
AcceptFilter http none
AcceptFilter https none
RequestReadTimeout header=100
<VirtualHost *:@port:https@>
    ServerName tls.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost *:@port:plain@>
    ServerName plain.test
</VirtualHost>
<VirtualHost *:@port:off@>
    ServerName off.test
    SSLEngine off
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    Protocols h2c http/1.1
</VirtualHost>
CONF
$h->start or die $h->why;

# What comes back until the server ends the connection; undef if it does not. The wait is shorter than any time-out of
# the server's, so that an answer that comes only with one of those does not pass.
sub answer {
    my ($port, @pieces) = @_;
    my $sock = raw_connect($h->port($port)) or return;
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    my $text = '';
    for my $piece (@pieces) {
        ref $piece ? $piece->($sock) : syswrite $sock, $piece;
    }
    return wait_for(8, sub {
        return 0 if !IO::Select->new($sock)->can_read(0.1);
        return !sysread $sock, $text, 65536, length $text;
    }) ? $text : undef;
}

sub is_alert {
    my ($got, $name) = @_;
    my $shown = defined $got ? unpack('H*', $got) : 'the connection did not end';
    return like($shown, qr/\A15030[0-3]00020228|\A15030[0-3]0002022[0-9a-f]|\A15030[0-3]00020246/, "$name: a fatal alert and nothing else");
}

for my $case (['plain', 'plain.test'], ['off', 'off.test']) {
    my ($port, $vhost) = @$case;
    subtest "port of $vhost" => sub {
        my $hello = ModSSL::Wire->new(port => $h->port($port), sni => $vhost)->hello;
        for my $form (
            ['a ClientHello',        [$hello]],
            ['without SNI',          [ModSSL::Wire->new(port => $h->port($port))->hello]],
            ['a TLS 1.2 one',        [ModSSL::Wire->new(port => $h->port($port), version => '1.2')->hello]],
            ['its first byte alone, first', [substr($hello, 0, 1), sub { select undef, undef, undef, 0.2 }, substr($hello, 1)]],
            ['byte by byte',         [split //, $hello]],
            ['the record header',    [substr $hello, 0, 5]],
        ) {
            my ($name, $pieces) = @$form;
            $h->log_mark;
            my $got = answer($port, @$pieces);
            is(length($got // ''), 7, "$name: seven bytes");
            is_alert($got, $name);
            my $line = $h->errorlog_like(qr/^.*SSLEngine.*$/m);
            like($line, qr/\Q$vhost\E/, 'the log names the virtual host');
            like($line, qr/httpd\.conf:\d+|127\.0\.0\.1/, 'and where to look');
        }
        my $s = tls_connect(port => $h->port($port), sni => $vhost);
        ok(!$s, 'a TLS client fails');
        like($tls_error, qr/handshake failure|alert|unrecognized name|protocol version/i, 'because of the alert') or diag $tls_error;
        my ($status) = curl("https://127.0.0.1:" . $h->port($port) . '/');
        is("$status $curl_exit", '0 35', 'curl calls it an SSL connect error');
        unlike($h->accesslog, qr/\\x16/, 'and no request was made of it');
    };
}

subtest 'plain requests on that port' => sub {
    for my $port (qw(plain off)) {
        my $host = "$port.test";
        my $s = raw_connect($h->port($port));
        for my $n (1 .. 3) {
            my $r = http_get($s, '/', $host);
            is($r && "$r->{status} $r->{body}", "200 It works\n", "$port: request $n of a kept connection");
        }
        my $request = "GET / HTTP/1.1\r\nHost: $host\r\n\r\n";
        my $last = "GET / HTTP/1.1\r\nHost: $host\r\nConnection: close\r\n\r\n";
        like(answer($port, split //, $last), qr/\r\n\r\nIt works\n\z/, "$port: byte by byte");
        like(answer($port, 'G', substr $last, 1), qr/\r\n\r\nIt works\n\z/, "$port: the first byte alone");
        is(() = answer($port, $request . $request . $last) =~ /It works/g, 3, "$port: three pipelined");
        is(() = answer($port, substr("$request$last", 0, 60), substr("$request$last", 60)) =~ /It works/g, 2, "$port: two, cut within");
        like(answer($port, "\r\n\r\n$last"), qr/It works/, "$port: empty lines first");
        like(answer($port, "GET / HTTP/1.0\r\n\r\n"), qr/It works/, "$port: HTTP/1.0");
        like(answer($port, $last, sub { shutdown $_[0], SHUT_WR }), qr/It works/, "$port: then end of input");
        is(answer($port, sub { shutdown $_[0], SHUT_WR }), '', "$port: end of input at once");
        like(answer($port, "GET /cgi/env HTTP/1.0\r\nHost: $host\r\n\r\n"), qr/^SERVER_PROTOCOL=HTTP/m, "$port: a CGI");
        my $body = 'x' x 300_000;
        my $r = http_get(raw_connect($h->port($port)), '/cgi/echo', $host, body => $body);
        ok($r && $r->{body} eq $body, "$port: a body comes back whole");
    }
    my ($status) = curl('--http2-prior-knowledge', 'http://127.0.0.1:' . $h->port('off') . '/');
    is("$status $curl_info{http_version}", '200 2', 'h2c with prior knowledge');
    return if mpm() eq 'prefork';    # where mod_http2 offers no upgrade
    ($status) = curl('--http2', 'http://127.0.0.1:' . $h->port('off') . '/');
    is("$status $curl_info{http_version}", '200 2', 'h2c by Upgrade');
};

subtest 'a TLS record later is no ClientHello' => sub {
    my $s = raw_connect($h->port('plain'));
    my $r = http_get($s, '/', 'plain.test');
    is($r->{status}, 200, 'a request, then on the same connection');
    syswrite $s, "\x16\x03\x01\0\5hello\r\n\r\n";
    $r = read_response($s);
    is($r && $r->{status}, 400, 'a record: the HTTP parser refuses it');
};

subtest '0x16 that is not TLS' => sub {
    for my $bytes ("\x16GET / HTTP/1.0\r\n\r\n", "\x16\x02\x01\0\0\r\n\r\n", "\x16\r\n\r\n") {
        my $got = answer('plain', $bytes, sub { shutdown $_[0], SHUT_WR });
        like($got, qr/\AHTTP\/1\.[01] 400 |\A<!DOCTYPE|\A\z/, 'goes to the HTTP parser: ' . unpack 'H*', substr $bytes, 0, 3);
        unlike($got // '', qr/It works/, 'and is no request');
    }
    my $got = answer('plain', "\x16", sub { shutdown $_[0], SHUT_WR });
    ok(defined $got, 'the byte alone and end of input: ends');
};

is(presented($h->port, sni => 'tls.test'), 'rsa.test', 'the TLS port is what it was');
ok($h->alive, 'the server is up');

subtest 'a server without any TLS' => sub {
    my $none = ModSSL::Httpd->new(name => 'tls-on-plain-none', listen => ['plain'], config => '');
    $none->start or return fail($none->why);
    my $r = http_get(raw_connect($none->port), '/', 'localhost');
    is($r->{body}, "It works\n", 'serves as it would without the module');
};

unlike($h->errorlog, qr/exit signal|Segmentation|AH00052/, 'no crash');
done_testing;
