# A client that has said all it has to say (close_notify, or the end of its half of the TCP connection) still gets
# the response to what it asked.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(config => <<'END');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
my $big = join '', map { sprintf "%07d\n", $_ } 1 .. 125_000;
$h->file('htdocs/big.txt', $big);
# the response starts after the server has had time to see the end of the stream
$h->cgi('late', "#!/bin/sh\nsleep 0.3\nprintf 'Content-Type: text/plain\\n\\nlate but here\\n'\n");
$h->start or BAIL_OUT($h->why);

my %ENDING = (
    'close_notify'                    => sub { $_[0]->goodbye },
    'FIN'                             => sub { $_[0]->half_close },
    'close_notify and FIN'            => sub { $_[0]->goodbye; $_[0]->half_close },
);

# [what, request, pattern for the plaintext]
my @CASES = (
    ['a page', "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", qr/\A HTTP\/1\.1[ ]200 .* It[ ]works\n\z/sx],
    ['a page, keep-alive', "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", qr/\A HTTP\/1\.1[ ]200 .* It[ ]works\n\z/sx],
    ['a late CGI', "GET /cgi/late HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", qr/late but here/],
    ['1 MB', "GET /big.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", qr/\r\n\r\n\Q$big\E\z/],
    ['an echoed body', "POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", qr/hello/],
    ['two pipelined', "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" x 2, qr/It works\n.*It works\n\z/s],
);

for my $version ('1.2', '1.3') {
    for my $ending (sort keys %ENDING) {
        for my $case (@CASES) {
            my ($what, $request, $want) = @$case;
            my $name = "TLS $version: $what, then $ending";
            my $w = ModSSL::Wire->new(port => $h->port, version => $version) or BAIL_OUT('no connection');
            $w->handshake or BAIL_OUT($w->error);
            # together in one segment: the server finds both when it looks
            $w->put_raw($w->seal($request));
            $ENDING{$ending}->($w);
            my $got = $w->get_all(50);
            ok($got =~ $want, $name) or diag substr $got, 0, 300;
            ok($w->eof, "$name: the server ends the connection");
        }
    }
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG/i, 'error log');
done_testing;
