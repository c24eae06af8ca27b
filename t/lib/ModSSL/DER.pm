package ModSSL::DER;

=head1 NAME

ModSSL::DER - certificates that no tool makes, written octet by octet

=head1 SYNOPSIS

    use ModSSL::DER qw(:all);
    my $ca = odd_cert(dir => $d, name => 'ca', ca => 1, subject => [[CN => utf8('Odd CA')]]);
    odd_cert(dir => $d, name => 'x', issuer => $ca, serial => integer('-1'),
             subject => [[CN => bmp('a')], [OU => t61("\xe4"), '1.2.3' => ia5('two of one RDN')]],
             san => [dns("a\0b"), upn(utf8('u'))], after => generalized('99991231235959Z'));

=head1 FUNCTIONS

  der($tag, @content)            one element; the content is joined
  sequence set octets bits       of what is given
  oid('1.2.3')  integer('-7')    an INTEGER of any size, also integer('0x00ff...') with these very octets
  utf8 printable ia5 t61 bmp universal numeric visible    strings of bytes (bmp and universal: of characters)
  utctime generalized            dates, as text
  dns email uri ip rid dirname other upn srv              GeneralName
  name([[TYPE => value, ...], ...])    a Name; TYPE: C ST L O OU CN ... or an OID
  extension($oid, $value, $critical)
  pem('CERTIFICATE', $der)

odd_cert(%options) writes F<dir/name.crt>, F<name.key> (P-256) and returns what C<issuer> takes. Options: C<serial>,
C<before>, C<after>, C<subject> (for name()), C<san> (GeneralNames; or bytes, as they are), C<ext> (more extensions),
C<version> (2: v3), C<uids> (bytes between key and extensions), C<ca>, C<issuer> (without: signed by itself).

=cut

use strict;
use warnings;
use Exporter 'import';
use Encode ();
use Math::BigInt;
use MIME::Base64 qw(encode_base64);
use ModSSL::PKI qw(openssl slurp spew make_key);

our @EXPORT_OK = qw(der sequence set octets bits oid integer utf8 printable ia5 t61 bmp universal numeric visible utctime
    generalized dns email uri ip rid dirname other upn srv name extension pem odd_cert);
our %EXPORT_TAGS = (all => \@EXPORT_OK);

sub der {
    my ($tag, @content) = @_;
    my $content = join '', @content;
    my $n = length $content;
    my $length = $n < 128 ? chr $n : do { (my $bytes = pack 'N', $n) =~ s/^\0+//; chr(128 + length $bytes) . $bytes };
    return chr($tag) . $length . $content;
}

sub sequence { return der(0x30, @_) }
sub set      { return der(0x31, @_) }
sub octets   { return der(0x04, @_) }
sub bits     { return der(0x03, "\0", @_) }

sub utf8      { return der(0x0c, @_) }
sub numeric   { return der(0x12, @_) }
sub printable { return der(0x13, @_) }
sub t61       { return der(0x14, @_) }
sub ia5       { return der(0x16, @_) }
sub visible   { return der(0x1a, @_) }
sub bmp       { return der(0x1e, pack 'n*', map { ord } split //, join '', @_) }
sub universal { return der(0x1c, pack 'N*', map { ord } split //, join '', @_) }

sub utctime     { return der(0x17, @_) }
sub generalized { return der(0x18, @_) }

sub oid {
    my ($first, $second, @arcs) = split /\./, $_[0];
    return der(0x06, map { pack 'w', $_ } $first * 40 + $second, @arcs);
}

sub integer {
    my ($text) = @_;
    return der(0x02, pack 'H*', $1) if $text =~ /^0x(.*)/;
    my $n = Math::BigInt->new($text);
    my $size = 1;
    $size++ while $n >= Math::BigInt->new(2)->bpow(8 * $size - 1) || $n < -Math::BigInt->new(2)->bpow(8 * $size - 1);
    $n += Math::BigInt->new(2)->bpow(8 * $size) if $n < 0;
    (my $hex = $n->as_hex) =~ s/^0x//;
    return der(0x02, pack 'H*', substr '0' x (2 * $size) . $hex, -2 * $size);
}

sub email   { return der(0x81, @_) }
sub dns     { return der(0x82, @_) }
sub dirname { return der(0xa4, @_) }
sub uri     { return der(0x86, @_) }
sub ip      { return der(0x87, pack 'C*', @_) }
sub rid     { return der(0x88, substr oid($_[0]), 2) }
sub other   { my ($type, $value) = @_; return der(0xa0, oid($type), der(0xa0, $value)) }
sub upn     { return other('1.3.6.1.4.1.311.20.2.3', $_[0]) }
sub srv     { return other('1.3.6.1.5.5.7.8.7', $_[0]) }

my %TYPE = (
    CN => '2.5.4.3', SN => '2.5.4.4', serialNumber => '2.5.4.5', C => '2.5.4.6', L => '2.5.4.7', ST => '2.5.4.8',
    O => '2.5.4.10', OU => '2.5.4.11', title => '2.5.4.12', description => '2.5.4.13', GN => '2.5.4.42',
    initials => '2.5.4.43', x500UniqueIdentifier => '2.5.4.45', emailAddress => '1.2.840.113549.1.9.1',
    UID => '0.9.2342.19200300.100.1.1', DC => '0.9.2342.19200300.100.1.25', postalCode => '2.5.4.17',
);

sub name {
    my ($rdns) = @_;
    my @sets;
    for my $rdn (@$rdns) {
        my @rest = @$rdn;
        my @members;
        while (my ($type, $value) = splice @rest, 0, 2) {
            push @members, sequence(oid($TYPE{$type} || $type), $value);
        }
        push @sets, set(sort @members);
    }
    return sequence(@sets);
}

sub extension {
    my ($oid, $value, $critical) = @_;
    return sequence(oid($oid), $critical ? der(0x01, "\xff") : '', octets($value));
}

sub pem {
    my ($label, $der) = @_;
    return "-----BEGIN $label-----\n" . encode_base64($der, '') =~ s/(.{1,64})/$1\n/gr . "-----END $label-----\n";
}

sub sign {
    my ($key, $tbs) = @_;
    my $file = spew("$key.tbs", $tbs);
    openssl('dgst', '-sha256', '-sign', $key, '-out', "$file.sig", $file);
    my $signature = slurp("$file.sig");
    unlink $file, "$file.sig";
    return $signature;
}

sub odd_cert {
    my %o = (version => 2, serial => integer(4711), before => utctime('200101000000Z'),
             after => utctime('491231235959Z'), subject => [], uids => '', ext => [], @_);
    my $base = "$o{dir}/$o{name}";
    make_key("$base.key", 'ec');
    openssl('pkey', '-in', "$base.key", '-pubout', '-outform', 'DER', '-out', "$base.pub");
    my $subject = name($o{subject});
    my $issuer = $o{issuer} || { name => $subject, key => "$base.key" };
    my @ext = @{ $o{ext} };
    push @ext, extension('2.5.29.19', sequence($o{ca} ? der(0x01, "\xff") : ''), 1);
    push @ext, extension('2.5.29.17', ref $o{san} ? sequence(@{ $o{san} }) : $o{san}) if defined $o{san};
    my $algorithm = sequence(oid('1.2.840.10045.4.3.2'));
    my $tbs = sequence($o{version} ? der(0xa0, integer($o{version})) : '', $o{serial}, $algorithm, $issuer->{name},
                       sequence($o{before}, $o{after}), $subject, slurp("$base.pub"), $o{uids},
                       $o{version} == 2 ? der(0xa3, sequence(@ext)) : '');
    unlink "$base.pub";
    spew("$base.crt", pem('CERTIFICATE', sequence($tbs, $algorithm, bits(sign($issuer->{key}, $tbs)))));
    return { name => $subject, key => "$base.key" };
}

1;
