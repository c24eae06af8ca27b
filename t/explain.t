# A handshake that fails for want of anything in common: one line of the log says what the client offered and why each of
# it was out here; a handshake that succeeds leaves no such line.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::Client qw(:all);
use ModSSL::Wire;
use ModSSL::PKI qw(pki_dir);

ours_only('the stock module only passes OpenSSL\'s words on');

my @HOSTS = qw(both rsa ecdsa ed25519 p384 only13 only12 gcm group);
my %CERTS = (both => [qw(rsa ecdsa)], only13 => ['rsa'], only12 => ['rsa'], gcm => ['rsa'], group => ['ecdsa']);
my %MORE  = (
    only13 => 'SSLProtocol TLSv1.3',
    only12 => 'SSLProtocol TLSv1.2',
    gcm    => "SSLProtocol TLSv1.2\nSSLCipherSuite ECDHE-RSA-AES256-GCM-SHA384",
    group  => 'SSLOpenSSLConfCmd Groups X25519',
);
# OpenSSL takes the groups of the first host of an address, whatever SNI chooses.
my %PORT = map { $_ => $_ eq 'group' ? 'second' : 'https' } @HOSTS;
my $config = '';
for my $host (@HOSTS) {
    my $certs = join '', map { "SSLCertificateFile \@pki\@/$_.crt\nSSLCertificateKeyFile \@pki\@/$_.key\n" } @{ $CERTS{$host} || [$host] };
    my $more = $MORE{$host} || '';
    $config .= <<"CONF";
<VirtualHost *:\@port:$PORT{$host}\@>
    ServerName $host.host
    SSLEngine on
    $certs
    $more
</VirtualHost>
CONF
}
my $h = ModSSL::Httpd->new(listen => [qw(https second)], config => $config);
$h->start or die $h->why;

my $S0 = '@SECLEVEL=0';

# host, arguments of s_client, what the line says
my @cases = (
    ['only13', ['-tls1_2'], [qr/virtual host only13\.host:\d+/, qr/the client offers up to TLSv1\.2, SSLProtocol allows TLSv1\.3 here/]],
    ['only12', ['-tls1_3'], [qr/the client offers TLSv1\.3, SSLProtocol allows TLSv1\.2 here/]],
    ['only12', ['-tls1_1', '-cipher', "ALL:$S0"], [qr/the client offers up to TLSv1\.1, SSLProtocol allows TLSv1\.2 here/]],
    ['ecdsa', ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA'],
        [qr/versions up to TLSv1\.2, ciphers ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA, groups x25519:/, qr/signatures \S*ecdsa_secp256r1_sha256/,
         qr/certificates: ECDSA prime256v1\./, qr/Of the client's ciphers all 2 are RSA, and this host has no RSA certificate$/]],
    ['rsa', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
        [qr/certificates: RSA of 2048 bits\./, qr/all 1 are ECDSA, and this host has no ECDSA or EdDSA certificate$/]],
    ['gcm', ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-SHA'], [qr/all 2 are not in SSLCipherSuite$/]],
    ['gcm', ['-tls1_2', '-cipher', "PSK:aNULL:$S0", '-psk', '1234'], [qr/ciphers \S*ADH-\S*PSK-|ciphers \S*PSK-\S*ADH-|and \d+ more/, qr/all \d+ are not in SSLCipherSuite/]],
    ['group', ['-tls1_2', '-curves', 'P-384', '-cipher', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
        [qr/groups secp384r1, /, qr/the curve of the ECDSA prime256v1 certificate is not among the client's groups/, qr/none of the client's groups is enabled here/]],
    ['group', ['-tls1_3', '-curves', 'P-384'], [qr/agreed on: TLSv1\.3/, qr/all \d are ECDHE, and none of the client's groups is enabled here/]],
    ['ed25519', ['-tls1_3', '-sigalgs', 'RSA-PSS+SHA256:ECDSA+SHA256'], [qr/signatures rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256;/, qr/certificates: ed25519\./, qr/none of the client's signatures can be made with the ed25519 key/]],
    ['p384', ['-tls1_3', '-sigalgs', 'ECDSA+SHA256'], [qr/none of the client's signatures can be made with the ECDSA secp384r1 key/]],
    ['p384', ['-tls1_2', '-curves', 'P-256:X25519'], [qr/the curve of the ECDSA secp384r1 certificate is not among/]],
    ['both', ['-tls1_3', '-sigalgs', 'ed25519'], [qr/certificates: RSA of 2048 bits, ECDSA prime256v1\./, qr/made with the RSA of 2048 bits key; .*made with the ECDSA prime256v1 key/]],
    ['both', ['-tls1_3'], []],
    ['both', ['-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256'], []],
);

for (@cases) {
    my ($host, $args, $expected) = @$_;
    subtest "$host: @$args" => sub {
        $h->log_mark;
        my ($out) = s_client(port => $h->port($PORT{$host}), args => ['-servername', "$host.host", @$args], input => "Q\n", ign_eof => 0);
        my $done = $out =~ /Cipher is \(NONE\)|alert/ ? 0 : 1;
        is($done, @$expected ? 0 : 1, 'the handshake ' . (@$expected ? 'fails' : 'succeeds')) or diag $out;
        $h->errorlog_like(@$expected ? qr/nothing in common.*/ : qr/Connection closed/, wait => @$expected ? 5 : 0.1);
        my @lines = grep { /nothing in common/ } split /\n/, $h->errorlog;
        is(scalar @lines, @$expected ? 1 : 0, 'the right number of lines') or diag(join "\n", @lines, $h->errorlog);
        like("@lines", $_, "says $_") for @$expected;
        like("@lines", qr/\[ssl:info\].*\[client 127/, 'at level info, for this client') if @$expected;
    };
}

# --- what no client of today sends ---------------------------------------------------------------------

sub hello {
    my ($ciphers, @extensions) = @_;
    my $list = pack 'n*', @$ciphers;
    my $name = 'gcm.host';
    my $ext  = pack('nnnCn/a', 0, length($name) + 5, length($name) + 3, 0, $name) . join '', map { pack 'nn/a', @$_ } @extensions;
    my $body = pack('n', 0x0303) . 'r' x 32 . "\0" . pack('n/a', $list) . "\1\0" . pack('n/a', $ext);
    my $message = "\1" . substr(pack('N', length $body), 1) . $body;
    return pack('Cnn/a', 22, 0x0301, $message);
}

sub log_of {
    my ($bytes) = @_;
    $h->log_mark;
    my $s = raw_connect($h->port) or die;
    syswrite $s, $bytes;
    sysread $s, my $answer, 100;
    close $s;
    return $h->errorlog_like(qr/nothing in common.*/, wait => 5) || '';
}

my $old = log_of(hello([0x0005, 0x000a, 0xc012, 0x0003, 0x0a0a, 0x00ff, 0xabcd]));
like($old, qr/ciphers RC4-SHA:DES-CBC3-SHA:ECDHE-RSA-DES-CBC3-SHA:EXP-RC4-MD5:0xabcd, groups not said, signatures not said;/, 'names of ciphers that are gone; no GREASE, no signalling');
like($old, qr/all 5 are not in this OpenSSL/, 'and why they were out');
my $rsa = log_of(hello([0xc02f, 0xc030], [10, pack('n/a', pack 'n', 23)], [13, pack('n/a', pack 'n', 0x0403)]));
like($rsa, qr/groups prime256v1|groups secp256r1/, 'groups');
like($rsa, qr/1 are not in SSLCipherSuite; 1 are for certificates that this host has, but the client takes no signature/, 'an ECDHE-RSA cipher and no RSA signature');
like($rsa, qr/none of the client's signatures can be made with the RSA of 2048 bits key/, 'and whose signature');
my $many = log_of(hello([map { 0xd000 + $_ } 1 .. 5000], [10, pack('n/a', pack 'n*', map { 0xe000 + $_ } 1 .. 1000)], [13, pack('n/a', pack 'n*', map { 0xf000 + $_ } 1 .. 1000)]));
like($many, qr/0xd001:0xd002:\S+ and 4975 more/, 'many ciphers');
like($many, qr/signatures 0xf001:\S+ and \d+ more/, 'many signatures');
cmp_ok(length $many, '<', 2000, 'a line of bounded length');
like(log_of(hello([0x1301, 0xc02f], [43, "\4\x7a\x7a\x03\x02"])), qr/the client offers TLSv1\.1, SSLProtocol allows/, 'versions by extension');
is($h->errorlog_like(qr/exit signal/, wait => 0), undef, 'no child died');
done_testing;
