# What a backend has sent reaches the client before it sends more, however much it was: mod_proxy_http's pieces leave together only
# while more of them are there. The script writes its next piece only after the client has seen the one before.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(have_module is_stock);
use ModSSL::PKI qw(spew);
use ModSSL::Wire;

for my $needed (qw(proxy proxy_http proxy_balancer lbmethod_byrequests slotmem_shm)) {
    have_module($needed) or plan skip_all => "mod_$needed is not installed";
}
my $h2 = have_module('proxy_http2') && ModSSL::Httpd::mpm() ne 'prefork';
my $h = ModSSL::Httpd->new(
    modules => [qw(proxy proxy_http proxy_balancer lbmethod_byrequests slotmem_shm include), $h2 ? qw(http2 proxy_http2) : ()],
    listen  => ['https', 'plain'],
    config  => <<'END' . ($h2 ? "ProxyPass /h2/ h2://127.0.0.1:\@port:https\@/cgi/\n" : ''));
<VirtualHost 127.0.0.1:@port:https@>
    ServerName localhost
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
</VirtualHost>
<VirtualHost 127.0.0.1:@port:plain@>
</VirtualHost>
SSLProxyEngine on
SSLProxyCheckPeerName off
<Location /page.shtml>
    Options +Includes
    SetOutputFilter INCLUDES
</Location>
ProxyPass /tls/   https://127.0.0.1:@port:https@/cgi/
ProxyPass /plain/ http://127.0.0.1:@port:plain@/cgi/
<Proxy balancer://b>
    BalancerMember https://127.0.0.1:@port:https@ disablereuse=on
</Proxy>
ProxyPass /balanced/ balancer://b/cgi/
END
my $signals = $h->root . '/signals';
mkdir $signals;
chmod 0777, $signals;

# About a record, about what leaves together (four of them), and far beyond; the wait is bounded.
my @sizes = (1, 100, 8192, 16383, 16384, 16385, 40_000, 65_536, 65_537, 70_000, 300_000, 5);
$h->cgi('stream', <<"CGI" . <<'CGI');
#!/usr/bin/perl
my \$signals = '$signals';
my \@sizes = (@{[ join ', ', @sizes ]});
CGI
use strict;
use Time::HiRes qw(sleep);
$| = 1;
my $id = $ENV{QUERY_STRING};
print "Content-Type: text/plain\n\n";
my $n = 0;
for my $size (@sizes) {
    print "<", "x" x $size, $n, ">";
    for (1 .. 1000) { last if -e "$signals/$id.$n"; sleep 0.02 }
    -e "$signals/$id.$n" or exit;
    $n++;
}
print "end\n";
CGI
$h->start or BAIL_OUT($h->why);

my $id = 0;
for my $version ('1.2', '1.3') {
    for my $way (qw(tls plain balanced), $h2 ? 'h2' : ()) {
        $id++;
        my $w = ModSSL::Wire->new(port => $h->port('https'), version => $version) or BAIL_OUT('no connection');
        $w->handshake or BAIL_OUT($w->error);
        $w->put("GET /$way/stream?$id HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        my $seen = 0;
        for my $n (0 .. $#sizes) {
            # a piece is looked for by its end: chunk sizes may stand within
            last if $w->get_until(qr/x(?:\r\n[0-9a-f]+\r\n)?$n(?:\r\n[0-9a-f]+\r\n)?>/, 15) !~ /$n(?:\r\n[0-9a-f]+\r\n)?>/;
            $seen++;
            spew("$signals/$id.$n", '');
        }
        is($seen, scalar @sizes, "TLS $version, $way: every piece came before the next was written");
        like($w->get_until(qr/end\n/, 15), qr/end\n/, "TLS $version, $way: and the end");
    }
}

# A page that includes what a backend has, and then a script that has nothing for a while, not even a header.
$h->cgi('hundred', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nhead -c 100000 /dev/zero | tr '\\0' y\n");
$h->cgi('late', <<"CGI");
#!/bin/sh
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -e $signals/late ] && break; sleep 1; done
printf 'Content-Type: text/plain\\n\\nlate\\n'
CGI
$h->file('htdocs/page.shtml', qq(<!--#include virtual="/tls/hundred" -->\n<!--#include virtual="/cgi/late" -->\n));
{
    my $w = ModSSL::Wire->new(port => $h->port('https')) or BAIL_OUT('no connection');
    $w->handshake or BAIL_OUT($w->error);
    $w->put("GET /page.shtml HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    my $text = '';
    for (1 .. 30) {
        $text = $w->get_until(qr/(?!)/, 0.5);
        last if ($text =~ tr/y//) >= 100_000;
    }
    # what the stock module keeps of the first is less than its 8 KB
    cmp_ok($text =~ tr/y//, '>=', is_stock() ? 90_000 : 100_000, 'a page with includes: the first part does not wait for the second');
    unlike($text, qr/late/, '... which is still to come');
    spew("$signals/late", '');
    like($w->get_until(qr/late\n/, 15), qr/late\n/, '... and does');
}
ok($h->alive, 'server lives');
done_testing;
