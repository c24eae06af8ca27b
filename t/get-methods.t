# Requests over TLS arrive whole and in order: methods, bodies, keep-alive, pipelining, odd record sizes.
use strict;
use warnings;
use lib 't/lib';
use Digest::MD5 qw(md5_hex);
use Test::More;
use Time::HiRes qw(sleep);
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(config => <<'CONF');
<VirtualHost 127.0.0.1:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    KeepAlive on
    MaxKeepAliveRequests 0
    TraceEnable on
</VirtualHost>
CONF
my %text = (empty => '', small => "small\n", record => 'r' x 16384, over => 'o' x 16385, big => pattern(3_000_000));
$h->file("htdocs/$_.txt", $text{$_}) for keys %text;
# A script that leaves its input alone would keep httpd waiting for more of it.
$h->cgi('method', "#!/bin/sh\ncat >/dev/null\nprintf 'Content-Type: text/plain\\n\\n%s %s' \"\$REQUEST_METHOD\" \"\$HTTPS\"\n");
$h->start or die $h->why;

# Bytes that are not the same everywhere, so that a lost or doubled block shows.
sub pattern {
    my ($size) = @_;
    my $text = join '', map { sprintf "%08d\n", $_ } 0 .. $size / 9;
    return substr $text, 0, $size;
}

sub dial { return tls_connect(port => $h->port, sni => 'rsa.test', @_) || die "no TLS: $tls_error\n" }

# Large texts are compared by length and digest: a failure should not print megabytes.
sub same {
    my ($r, $want, $name) = @_;
    my $got = $r && defined $r->{body} ? $r->{body} : '';
    my $sum = sub { length($_[0]) . ' bytes, ' . md5_hex($_[0]) };
    is(($r ? $r->{status} : 'none') . ' ' . $sum->($got), '200 ' . $sum->($want), $name);
}

for my $version ('1.2', '1.3') {
    subtest "TLS $version" => sub {
        subtest 'GET and HEAD' => sub {
            for my $name (sort keys %text) {
                same(http_get(dial(version => $version), "/$name.txt", 'rsa.test', close => 1), $text{$name}, "GET $name");
            }
            my $s = dial(version => $version);
            my $r = http_get($s, '/big.txt', 'rsa.test', method => 'HEAD');
            is($r->{headers}{'content-length'}, length $text{big}, 'HEAD gives the length');
            $r = http_get($s, '/small.txt', 'rsa.test');
            is($r->{body}, $text{small}, 'and no body: the next response follows at once');
            $r = http_get(dial(version => $version), '/small.txt', undef, version => '1.0');
            is($r->{body}, $text{small}, 'HTTP/1.0 with SNI and Host');
            $r = http_get(dial(version => $version), '/none.txt', 'rsa.test', close => 1);
            is($r->{status}, 404, 'a file that is not there');
            $r = http_get(dial(version => $version), '/big.txt', 'rsa.test', headers => { Range => 'bytes=999990-1000009' });
            is("$r->{status} $r->{body}", '206 ' . substr($text{big}, 999990, 20), 'a range');
        };

        subtest 'methods' => sub {
            for my $method (qw(GET POST PUT DELETE PATCH OPTIONS)) {
                my $r = http_get(dial(version => $version), '/cgi/method', 'rsa.test', method => $method,
                                 $method =~ /^P/ ? (body => 'x') : ());
                is("$r->{status} $r->{body}", "200 $method on", "$method, and HTTPS is on");
            }
            my $r = http_get(dial(version => $version), '/small.txt', 'rsa.test', method => 'TRACE', headers => { 'X-T' => 'seen' });
            is($r->{status}, 200, 'TRACE');
            like($r->{body}, qr/^X-T: seen\r$/m, 'gives the request back');
        };

        subtest 'POST' => sub {
            for my $size (0, 1, 8191, 16384, 16385, 100_000, 2_000_000) {
                my $body = pattern($size);
                same(http_get(dial(version => $version), '/cgi/echo', 'rsa.test', body => $body), $body, "$size bytes with a length");
            }
            my @chunks = (pattern(1), pattern(16384), pattern(70_000), 'last');
            same(http_get(dial(version => $version), '/cgi/echo', 'rsa.test', chunks => \@chunks), join('', @chunks), 'chunked');
            same(http_get(dial(version => $version), '/cgi/echo', 'rsa.test', chunks => [map { chr(97 + $_ % 26) } 1 .. 500]),
                 join('', map { chr(97 + $_ % 26) } 1 .. 500), 'chunks of one byte');

            my $s = dial(version => $version);
            print {$s} "POST /cgi/echo HTTP/1.1\r\nHost: rsa.test\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
            my $line = <$s>;
            like($line, qr{^HTTP/1\.1 100 }, '100 Continue arrives before the body is sent');
            <$s>;
            print {$s} 'after';
            is(read_response($s)->{body}, 'after', 'and the response after it');
        };

        subtest 'keep-alive' => sub {
            my $s = dial(version => $version);
            my $wrong = 0;
            for my $i (1 .. 30) {
                my $name = (sort keys %text)[$i % 4 + 1];
                my $r = http_get($s, "/$name.txt", 'rsa.test');
                $wrong++ if !$r || $r->{body} ne $text{$name};
            }
            is($wrong, 0, '30 requests on one connection');
            my $body = pattern(50_000);
            same(http_get($s, '/cgi/echo', 'rsa.test', body => $body), $body, 'then a POST');
            same(http_get($s, '/small.txt', 'rsa.test', close => 1), $text{small}, 'then the last request');
            my $rest = sysread $s, my $buffer, 100;
            is($rest, 0, 'after which the server ends the connection in order');
        };

        subtest 'pipelining' => sub {
            my $s = dial(version => $version);
            my @order = map { ('small', 'record', 'over', 'empty')[$_ % 4] } 1 .. 20;
            ModSSL::Client::write_all($s, join '', map { "GET /$_.txt HTTP/1.1\r\nHost: rsa.test\r\n\r\n" } @order);
            my @got = map { my $r = read_response($s); $r && $r->{complete} ? length $r->{body} : 'none' } @order;
            is("@got", join(' ', map { length $text{$_} } @order), '20 requests in one write, answered in order');

            $s = dial(version => $version);
            ModSSL::Client::write_all($s, "POST /cgi/echo HTTP/1.1\r\nHost: rsa.test\r\nContent-Length: 5\r\n\r\nfirst"
                . "POST /cgi/echo HTTP/1.1\r\nHost: rsa.test\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n"
                . "GET /small.txt HTTP/1.1\r\nHost: rsa.test\r\n\r\n");
            is(join(' ', map { my $r = read_response($s); $r ? $r->{body} : 'none' } 1 .. 3), "first second small\n",
               'bodies among them');
        };

        subtest 'pieces' => sub {
            my $s = dial(version => $version);
            for my $byte (split //, "GET /small.txt HTTP/1.1\r\nHost: rsa.test\r\n\r\n") {
                syswrite $s, $byte;
            }
            is(read_response($s)->{body}, $text{small}, 'a request of one byte a record');

            syswrite $s, "GET /small.txt HTTP/1.1\r\nHo";
            sleep 0.3;
            syswrite $s, "st: rsa.test\r\n\r\n";
            is(read_response($s)->{body}, $text{small}, 'a request that stops in the middle for a while');

            syswrite $s, "GET /small.txt HTTP/1.1\r\nHost: rsa.test\r\nX-Long: " . 'x' x 8000 . "\r\n\r\n";
            is(read_response($s)->{status}, 200, 'a long header line');
            ModSSL::Client::write_all($s, "GET /small.txt HTTP/1.1\r\nHost: rsa.test\r\nX-Long: " . 'x' x 20_000 . "\r\n\r\n");
            is(read_response($s)->{status}, 400, 'one that is too long');
        };
    };
}

done_testing;
