# KeyUpdate (TLS 1.3) in the middle of a connection, with and without a request for the server's own, changes nothing
# for the requests before and after it, however often it happens.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd;
use ModSSL::Client qw(:all);

my $h = ModSSL::Httpd->new(config => <<'END');
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
my $big = join '', map { sprintf "%07d\n", $_ } 1 .. 25_000;
$h->file("htdocs/$_.txt", "<page $_>\n") for 1 .. 9;
$h->file('htdocs/big.txt', "${big}END OF BIG\n");
$h->start or BAIL_OUT($h->why);

sub get { return "GET $_[0] HTTP/1.1\nHost: localhost\n" . ($_[1] ? "Connection: close\n" : '') . "\n" }

# [name, what is typed]
my @CASES = (
    ['K: both sides', [get('/1.txt'), qr/<page 1>/, "K\n", qr/KEYUPDATE/, get('/2.txt'), qr/<page 2>/, get('/3.txt', 1)]],
    ['k: our side', [get('/1.txt'), qr/<page 1>/, "k\n", qr/KEYUPDATE/, get('/2.txt'), qr/<page 2>/, get('/3.txt', 1)]],
    ['before the first request', ["K\n", qr/KEYUPDATE/, get('/1.txt'), qr/<page 1>/, get('/2.txt'), qr/<page 2>/, get('/3.txt', 1)]],
    ['in the headers', [get('/1.txt'), qr/<page 1>/, "GET /2.txt HTTP/1.1\n", "K\n", qr/KEYUPDATE/, "Host: localhost\n\n", qr/<page 2>/, get('/3.txt', 1)]],
    ['in a body', [get('/1.txt'), qr/<page 1>/, "POST /cgi/echo HTTP/1.1\nHost: localhost\nContent-Length: 10\n\n<pag", "K\n",
        qr/KEYUPDATE/, "e 2>xx", qr/<page 2>/, get('/3.txt', 1)]],
    ['twenty times', [(map { (get("/1.txt"), qr/<page 1>/, $_ % 2 ? "K\n" : "k\n", qr/KEYUPDATE/) } 1 .. 20), get('/2.txt'),
        qr/<page 2>/, get('/3.txt', 1)]],
    ['around a large response', [get('/1.txt'), qr/<page 1>/, "K\n", qr/KEYUPDATE/, get('/big.txt'), qr/END OF BIG/, "K\n", qr/KEYUPDATE/,
        get('/2.txt'), qr/<page 2>/, get('/3.txt', 1)]],
);
for my $case (@CASES) {
    my ($name, $script) = @$case;
    my ($out, $rc) = s_client(port => $h->port, args => ['-tls1_3', '-crlf'], ign_eof => 0, timeout => 30, input => [@$script, qr/<page 3>/]);
    my $updates = grep { !ref && /^k$/i } @$script;
    my $seen = () = $out =~ /^KEYUPDATE$/mg;
    is($seen, $updates, "$name: $updates key updates");
    like($out, qr/<page 1>.*<page 2>.*<page 3>/s, "$name: all requests were answered");
    unlike($out, qr/:error:/, "$name: no error") or diag $out =~ /(.*:error:.*)/;
    isnt($rc, 124, "$name: the exchange ends");
    ok(index($out, $big) >= 0, "$name: response is complete") if $name =~ /large/;
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG|exit signal/i, 'error log');
done_testing;
