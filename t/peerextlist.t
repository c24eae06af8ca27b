# "value" in PeerExtList("extension"), in SSLRequire and in Require expr: how the values of extensions of the client's
# certificate read, and by which names extensions go.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock openssl_version);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(make_cert);

my $h = ModSSL::Httpd->new(listen => [qw(https plain)], config => <<'CONF');
MaxKeepAliveRequests 0
<VirtualHost *:@port:https@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    @pki@/rsa.crt
    SSLCertificateKeyFile @pki@/rsa.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLVerifyClient optional
</VirtualHost>
<VirtualHost *:@port:plain@>
</VirtualHost>
CONF
my $oid = '1.3.6.1.4.1.99999';
my $cert = make_cert(dir => $h->root . '/conf', name => 'extensions', type => 'client', ext => [
    "$oid.1=ASN1:FORMAT:UTF8,UTF8String:gr\xc3\xbcn",
    "$oid.2=ASN1:IA5STRING:ia5 text",
    "$oid.3=ASN1:VISIBLESTRING:visible",
    "$oid.4=ASN1:FORMAT:UTF8,BMPSTRING:b\xc3\xbcmp",
    "$oid.5=ASN1:PRINTABLESTRING:printable",
    "$oid.6=ASN1:FORMAT:HEX,OCTETSTRING:616263",
    "$oid.7=ASN1:INTEGER:42",
    "$oid.8=DER:01:02:03",
    "$oid.9=DER:0C:03:61:62",
    "$oid.10=ASN1:FORMAT:UTF8,T61STRING:t61",
    "$oid.11=ASN1:NULL",
    "$oid.12=DER:0C:03:61:00:62",
    "$oid.13=DER:0C:02:61:62:63",
    "$oid.14=ASN1:UTF8String:",
    "$oid.15=DER:0C:05:6c:31:0a:6c:32",
    "$oid.16=ASN1:UTF8String:two words, a comma",
    'nsComment=a comment', 'keyUsage=digitalSignature,keyEncipherment', 'nsCertType=client',
    'certificatePolicies=1.2.3.4,1.2.3.5', 'authorityInfoAccess=OCSP;URI:http://ocsp.test/',
    'subjectAltName=email:a@b.test,DNS:x.test,DNS:y.test,IP:127.0.0.1,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:upn@x' ]);
$h->file("htdocs/$_/index.html", "ok\n") for qw(require expr);
$h->start or die $h->why;

my %connection;
sub get {
    my ($dir, $who) = @_;
    return (http_get(raw_connect($h->port('plain')), "/$dir/", 'rsa.test', close => 1) || { status => 'none' })->{status} if $who eq 'plain';
    for (1, 2) {
        $connection{$who} ||= tls_connect(port => $h->port, sni => 'rsa.test',
            $who eq 'anonymous' ? () : $who eq 'client' ? (client => 'client') : (cert => $cert, key => $cert =~ s/crt$/key/r)) or return "no TLS: $tls_error";
        my $r = http_get($connection{$who}, "/$dir/", 'rsa.test');
        return $r->{status} if $r;
        delete $connection{$who};
    }
    return 'none';
}

# The answers with the expression in SSLRequire and in Require expr
sub answers {
    my ($expression, $who) = @_;
    $h->file('htdocs/require/.htaccess', "SSLRequire $expression\n");
    $h->file('htdocs/expr/.htaccess', "Require expr $expression\n");
    return join ' ', get('require', $who), get('expr', $who);
}

my ($yes, $no) = ('200 200', '403 403');
# [value, extension, answers, answers of ours where stock differs]
my @cases = (
    ["gr\xc3\xbcn",         "$oid.1",  $yes],
    ["gr\xfcn",             "$oid.1",  $no],
    ['ia5 text',            "$oid.2",  $yes],
    ['ia5',                 "$oid.2",  $no],
    ['IA5 TEXT',            "$oid.2",  $no],
    ['visible',             "$oid.3",  $yes],
    ["b\xc3\xbcmp",         "$oid.4",  $yes],
    ['printable',           "$oid.5",  $no],
    ['abc',                 "$oid.6",  $no],
    ['42',                  "$oid.7",  $no],
    ['',                    "$oid.8",  $no],
    ['ab',                  "$oid.9",  $no],
    ['t61',                 "$oid.10", $no],
    ['',                    "$oid.11", $no],
    ['a',                   "$oid.12", $yes, $no],    # a\0b: cut short by stock
    ['ab',                  "$oid.13", $yes, $no],    # a byte behind the string
    ['l1\\nl2',             "$oid.15", $yes],
    ['two words, a comma',  "$oid.16", $yes],
    ['two words',           "$oid.16", $no],
    ['a comment',           'nsComment', $yes],
    ['a comment',           '2.16.840.1.113730.1.13', $yes],
    ['a comment',           'Netscape Comment', $yes],
    ['a comment',           'nscomment', $no],
    ['Digital Signature, Key Encipherment', 'keyUsage', $yes],
    ['Digital Signature',   'keyUsage', $no],
    ['Digital Signature, Key Encipherment', '2.5.29.15', $yes],
    ['SSL Client',          'nsCertType', $yes],
    ['Policy: 1.2.3.4\\nPolicy: 1.2.3.5', 'certificatePolicies', $yes],
    ['OCSP - URI:http://ocsp.test/', 'authorityInfoAccess', $yes],
    ['TLS Web Client Authentication', 'extendedKeyUsage', $yes],
    ['CA:FALSE',            'basicConstraints', $yes],
    ['email:a@b.test, DNS:x.test, DNS:y.test, IP Address:127.0.0.1, othername: ' . (openssl_version() =~ /^3\.0\./ ? 'UPN::' : 'UPN:') . 'upn@x', 'subjectAltName', $yes],
    ['DNS:x.test',          'subjectAltName', $no],
    ['',                    "$oid.99", $no],
    ['',                    'nonsense', $no],
    ['',                    '', $no],
    ['',                    'commonName', $no],
    ['',                    '99.99', $no],
);
# An empty value is NULL in the stock module, which strcmp() does not survive.
push @cases, ['', "$oid.14", $yes], ['x', "$oid.14", $no] if !is_stock();

for my $case (@cases) {
    my ($value, $extension, $stock, $ours) = @$case;
    my $expression = qq("$value" in PeerExtList("$extension"));
    is(answers($expression, 'extensions'), !is_stock() && $ours ? $ours : $stock, $expression =~ s/[^ -~]/?/gr);
}

for my $case (['"a comment" -in PeerExtList("nsComment")', 'extensions', $yes], [q("a comment" in peerextlist('nsComment')), 'extensions', $yes],
              ['"a " . "comment" in PeerExtList("ns" . "Comment")', 'extensions', $yes], ['not "a comment" in PeerExtList("nsComment")', 'extensions', $no],
              ['not "x" in PeerExtList("nsComment")', 'extensions', $yes], ['"a comment" in PeerExtList(nsComment)', 'extensions', '500 500'],
              ['PeerExtList("nsComment") == "a comment"', 'extensions', '500 500'], ['"a comment" in PeerExtList("nsComment")', 'client', $no],
              ['"a comment" in PeerExtList("nsComment")', 'anonymous', $no], ['"" in PeerExtList("nsComment")', 'anonymous', $no],
              ['not "a comment" in PeerExtList("nsComment")', 'anonymous', $yes],
              # SSLRequire says nothing about plain HTTP
              ['"a comment" in PeerExtList("nsComment")', 'plain', '200 403']) {
    my ($expression, $who, $wanted) = @$case;
    is(answers($expression, $who), $wanted, "$who: $expression");
}
ok($h->alive, 'the server is up');
unlike($h->errorlog, qr/exit signal|Segmentation/, 'no crash');
done_testing;
