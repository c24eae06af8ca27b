# SSLDynamicRecordSize: a connection begins with ten records of at most 1370 bytes of plaintext and goes on with full
# ones; again after a pause of more than a second. "off": full ones from the start. What is sent is the same.
use strict;
use warnings;
use Test::More;
use Time::HiRes qw(sleep time);
use ModSSL::Httpd qw(ours_only);
use ModSSL::Wire;
ours_only('stock has no SSLDynamicRecordSize');

my @HOSTS = ([default => ''], [on => 'SSLDynamicRecordSize on'], [off => 'SSLDynamicRecordSize off']);

# What a record has besides plaintext: type and tag; explicit nonce and tag; tag.
my @VERSIONS = (['1.3', undef, 17], ['1.2', 'ECDHE-RSA-AES128-GCM-SHA256', 24], ['1.2', 'ECDHE-RSA-CHACHA20-POLY1305', 16]);

my $h = ModSSL::Httpd->new(config => <<'END' . join '', map { <<"HOST" } @HOSTS);
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
KeepAliveTimeout 30
AddType text/html .shtml
AddOutputFilter INCLUDES .shtml
# A ticket would look like a record of the response.
SSLNumTickets 0
END
<VirtualHost *:\@port:https\@>
    ServerName $_->[0].test
    SSLEngine on
    $_->[1]
</VirtualHost>
HOST
my %text = ('/file.txt' => join('', map { sprintf "%07d\n", $_ } 1 .. 12800));
$h->file('htdocs/file.txt', $text{'/file.txt'});
# A page in some thousand pieces, none of which is as large as a record, from a source that never makes us wait.
$h->file('htdocs/pieces.shtml', join '', map { sprintf "%06d <!--#echo var=\"DOCUMENT_NAME\" --> %s\n", $_, 'x' x ($_ % 90) } 1 .. 1900);
$text{'/pieces.shtml'} = join '', map { sprintf "%06d pieces.shtml %s\n", $_, 'x' x ($_ % 90) } 1 .. 1900;
$h->start or BAIL_OUT($h->why);

sub body_of {
    my ($response) = @_;
    my ($head, $body) = split /\r\n\r\n/, $response, 2;
    return $body if $head !~ /^Transfer-Encoding: chunked/mi;
    my $all = '';
    while ($body =~ s/^([0-9a-f]+)\r\n//i && hex $1) {
        $all .= substr $body, 0, hex $1, '';
        $body =~ s/^\r\n//;
    }
    return $all;
}

# Bytes of plaintext in each record of the response to one request.
sub sizes {
    my ($w, $host, $path, $overhead, $name) = @_;
    $w->plain;
    $w->records;
    $w->put("GET $path HTTP/1.1\r\nHost: $host.test\r\n\r\n");
    my $response = $w->get_until($path =~ /shtml/ ? qr/\r\n0\r\n\r\n\z/ : qr/^0012800\n\z/m);
    ok(body_of($response) eq $text{$path}, "$name: what came is what was sent");
    return map { $_->[1] - $overhead } grep { $_->[0] == 23 } $w->records;
}

# The second of two requests that were over within a second, so that there was no pause between them. A busy machine may need
# some tries.
sub at_once {
    my @get = @_;
    my @sizes;
    for (1 .. 20) {
        my $begun = time;
        sizes(@get);
        @sizes = sizes(@get);
        last if time - $begun < 1;
    }
    return @sizes;
}

sub is_small_first {
    my ($name, @sizes) = @_;
    is("@sizes[0 .. 9]", join(' ', (1370) x 10), "$name: ten records of a packet each");
    my $full = grep { $_ == 16384 } @sizes;
    cmp_ok($full, '>=', 4, "$name: then full ones (@sizes)");
    return;
}

sub is_full {
    my ($name, @sizes) = @_;
    is("@sizes[0 .. 4]", join(' ', (16384) x 5), "$name: full records from the first (@sizes)");
    return;
}

for my $version (@VERSIONS) {
    my ($tls, $ciphers, $overhead) = @$version;
    for my $path (sort keys %text) {
        for my $host (map { $_->[0] } @HOSTS) {
            my $name = join ' ', "TLS $tls", $ciphers || (), $path, $host;
            my $w = ModSSL::Wire->new(port => $h->port, version => $tls, ciphers => $ciphers, sni => "$host.test");
            ok($w && $w->handshake, "$name: connected") or next;
            my @get = ($w, $host, $path, $overhead);
            if ($host eq 'off') {
                is_full("$name: first request", sizes(@get, "$name: first request"));
                next;
            }
            is_small_first("$name: first request", sizes(@get, "$name: first request"));
            next if $tls ne '1.3';
            is_full("$name: at once again", at_once(@get, "$name: at once again"));
            next if $host eq 'default';
            sleep 1.2;
            is_small_first("$name: after a pause", sizes(@get, "$name: after a pause"));
        }
    }
}

# Small responses count as well: what the network has carried, not what one response had.
{
    my $w = ModSSL::Wire->new(port => $h->port, version => '1.3', sni => 'on.test');
    $w && $w->handshake or BAIL_OUT('no connection');
    my @sizes;
    for (1 .. 20) {
        my $begun = time;
        for (1 .. 10) {
            $w->plain;
            $w->put("GET /index.html HTTP/1.1\r\nHost: on.test\r\n\r\n");
            $w->get_until(qr/It works\n/);
        }
        @sizes = sizes($w, 'on', '/file.txt', 17, 'after ten small responses');
        last if time - $begun < 1;
        sleep 1.2;    # a pause makes the connection begin anew
    }
    is_full('after ten small responses', @sizes);
}

ok($h->alive, 'server lives');
done_testing;
