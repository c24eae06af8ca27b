# Requests survive whatever way they are cut into TLS records and TCP segments: many on one connection, pipelined in
# one record, spread over many, byte by byte; and so do chunked bodies and Expect: 100-continue.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(is_stock mpm);
use ModSSL::Client qw(:all);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(config => <<'END');
MaxKeepAliveRequests 0
KeepAliveTimeout 15
Redirect gone /gone
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
$h->file("htdocs/$_.txt", "<page $_>\n") for 1 .. 50;
$h->start or BAIL_OUT($h->why);
my $port = $h->port('https');

sub wire {
    my ($version) = @_;
    my $w = ModSSL::Wire->new(port => $port, version => $version) or BAIL_OUT('no connection');
    $w->handshake or BAIL_OUT('no handshake: ' . $w->error);
    return $w;
}

sub get { my ($n, @more) = @_; return "GET /$n.txt HTTP/1.1\r\nHost: localhost\r\n" . join('', @more) . "\r\n" }

# The pages that came, in their order.
sub pages { my ($text) = @_; return join ' ', $text =~ /<page (\d+)>/g }

for my $version ('1.2', '1.3') {
    subtest "TLS $version" => sub {
        my $s = tls_connect(port => $port, version => $version) or return fail("connect: $tls_error");
        my $wrong = 0;
        for my $n (1 .. 300) {
            my $page = 1 + $n % 50;
            my $r = http_get($s, "/$page.txt");
            $wrong++ if !$r || $r->{status} != 200 || $r->{body} ne "<page $page>\n";
        }
        is($wrong, 0, '300 requests on one connection');
        $s->close;

        my $all = join(' ', 1 .. 50);
        my $burst = join '', map { get($_, $_ == 50 ? "Connection: close\r\n" : ()) } 1 .. 50;
        cmp_ok(length $burst, '<', 16384, 'the burst fits into one record');

        my $w = wire($version);
        $w->put($burst);
        is(pages($w->get_all), $all, '50 pipelined requests in one record');

        $w = wire($version);
        my $records = join '', map { $w->seal($_) } $burst =~ /(.{1,7})/gs;
        $w->put_raw($records);
        is(pages($w->get_all), $all, 'in records of 7 bytes, one segment');

        # 37 and 1000: neither the records nor the segments end where the other does
        $w = wire($version);
        $records = join '', map { $w->seal($_) } $burst =~ /(.{1,37})/gs;
        $w->put_raw($_) for $records =~ /(.{1,1000})/gs;
        is(pages($w->get_all), $all, 'in records of 37 bytes, segments of 1000');

        $w = wire($version);
        $w->put($_) for split //, get(1);
        like($w->get_until(qr/<page/), qr/<page 1>/, 'every byte a record');
        $w->plain;
        $w->put_raw($_) for split //, $w->seal(get(2, "Connection: close\r\n"));
        like($w->get_all, qr/<page 2>/, 'a record sent byte by byte');

        SKIP: {
            # The stock module keeps the first answer back there until the connection times out.
            skip 'stock, worker or prefork: the answer waits for the rest of the next request', 2 if is_stock() && mpm() ne 'event';
            # The second request is behind the first one's last byte in the same record.
            $w = wire($version);
            my $two = get(3) . get(4);
            my $cut = length(get(3)) + 5;
            $w->put(substr $two, 0, $cut);
            like($w->get_until(qr/<page/), qr/<page 3>/, 'first answer while the second request is not complete');
            $w->put(substr $two, $cut);
            is(pages($w->get_until(qr/page 4/)), '3 4', 'and then the second');
        }

        # Large enough that one body is many records: those that are already decrypted must not be forgotten.
        my $body = join '', map { sprintf "%07d\n", $_ } 1 .. 12500;
        $s = tls_connect(port => $port, version => $version) or return fail("connect: $tls_error");
        my $r = http_request($s, path => '/cgi/echo', host => 'localhost', body => $body);
        ok($r && $r->{body} eq $body, 'a body of 100000 bytes');
        my @chunks = $body =~ /(.{1,777})/gs;
        $r = http_request($s, path => '/cgi/echo', host => 'localhost', chunks => \@chunks);
        ok($r && $r->{body} eq $body, 'the same in chunks of 777');
        @chunks = $body =~ /(.{1,40000})/gs;
        $r = http_request($s, path => '/cgi/echo', host => 'localhost', chunks => \@chunks);
        ok($r && $r->{body} eq $body, 'the same in chunks of 40000');
        $r = http_get($s, '/1.txt');
        is($r && $r->{body}, "<page 1>\n", 'and the connection goes on');
        # an unread body must be skipped, not taken for the next request
        $r = http_request($s, path => '/1.txt', host => 'localhost', body => get(9) x 10);
        $r = http_get($s, '/2.txt');
        is($r && $r->{body}, "<page 2>\n", 'a body that nobody read is not a request');
        $s->close;

        $w = wire($version);
        my $chunked = "POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
                    . "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
        $w->put($_) for split //, $chunked;
        like($w->get_until(qr/hello world/), qr/\r\n\r\n(?:b\r\n)?hello world/, 'chunked body, every byte a record');
        $w->plain;
        $w->put(get(5));
        like($w->get_until(qr/<page/), qr/<page 5>/, 'a request after it');

        $w = wire($version);
        $w->put("POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
        like($w->get_until(qr/\r\n\r\n/), qr{^HTTP/1\.1 100 Continue\r\n\r\n\z}, '100 Continue before the body is sent');
        $w->plain;
        $w->put('continued');
        like($w->get_until(qr/continued/), qr{^HTTP/1\.1 200 .*continued}s, 'and the answer after it');
        $w = wire($version);
        $w->put("POST /gone HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
        like($w->get_until(qr/\r\n\r\n/), qr{^HTTP/1\.1 410 }, 'no 100 Continue when the answer is known');

        # Empty lines before a request are allowed and often come from old clients after a POST.
        $w = wire($version);
        $w->put("\r\n");
        $w->put(get(6) . "\r\n");
        $w->get_until(qr/<page 6>/);
        $w->put("\r\n" . get(7, "Connection: close\r\n"));
        is(pages($w->get_all), '6 7', 'empty lines between requests');
    };
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG/i, 'error log');
done_testing;
